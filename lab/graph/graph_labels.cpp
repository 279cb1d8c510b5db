#include "lab/graph/graph_labels.h"

#include <cmath>
#include <limits>
#include <set>

namespace weft::lab {

double Box::shared_with(const Box& other) const noexcept {
    const double across = (width + other.width) / 2 - std::abs(middle.x - other.middle.x);
    const double down = (height + other.height) / 2 - std::abs(middle.y - other.middle.y);
    if (across <= 0 || down <= 0) return 0;
    return std::min({across, width, other.width}) * std::min({down, height, other.height});
}

template <class Visit>
void LabelPlacer::for_tiles(const Box& box, Visit visit) {
    constexpr double size = 100;
    const auto tile = [](double at) { return static_cast<std::int32_t>(std::floor(at / size)); };
    for (auto x = tile(box.middle.x - box.width / 2); x <= tile(box.middle.x + box.width / 2); ++x) {
        for (auto y = tile(box.middle.y - box.height / 2); y <= tile(box.middle.y + box.height / 2); ++y)
            visit(Tile{x, y});
    }
}

void LabelPlacer::take(const Box& box) {
    const auto index = static_cast<std::uint32_t>(taken_.size());
    taken_.push_back(box);
    for_tiles(box, [&](Tile tile) { tiles_[tile].push_back(index); });
}

double LabelPlacer::covered_by(const Box& box) const {
    std::set<std::uint32_t> near;
    for_tiles(box, [&](Tile tile) {
        if (const auto found = tiles_.find(tile); found != tiles_.end())
            near.insert(found->second.begin(), found->second.end());
    });
    double sum = 0;
    for (const std::uint32_t index : near) sum += box.shared_with(taken_[index]);
    return sum;
}

Point LabelPlacer::place(const std::vector<Point>& places, double width, double height) {
    Point best;
    double least = std::numeric_limits<double>::max();
    for (const Point& place : places) {
        const double covered = covered_by({.middle = place, .width = width, .height = height});
        if (covered >= least) continue;
        least = covered;
        best = place;
        if (covered == 0) break;
    }
    take({.middle = best, .width = width, .height = height});
    return best;
}

}  // namespace weft::lab
