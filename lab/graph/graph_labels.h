// Where the labels of a picture stand: each at the first of its places that is free, or where the least of
// what stands there already is covered.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "lab/graph/graph_layout.h"

namespace weft::lab {

struct Box {
    Point middle;
    double width = 0;
    double height = 0;

    [[nodiscard]] double shared_with(const Box& other) const noexcept;  // area
};

class LabelPlacer {
  public:
    // Something stands there.
    void take(const Box& box);

    // One of `places`, which are not none and in the order in which they are liked, for a label of this size.
    // Takes it.
    Point place(const std::vector<Point>& places, double width, double height);

  private:
    using Tile = std::pair<std::int32_t, std::int32_t>;

    template <class Visit>
    static void for_tiles(const Box& box, Visit visit);
    [[nodiscard]] double covered_by(const Box& box) const;

    std::vector<Box> taken_;
    std::map<Tile, std::vector<std::uint32_t>> tiles_;  // of taken_, so that only what is near is compared
};

}  // namespace weft::lab
