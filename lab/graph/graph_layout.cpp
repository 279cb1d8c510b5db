#include "lab/graph/graph_layout.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <utility>

namespace weft::lab {

namespace {

constexpr unsigned unseen = std::numeric_limits<unsigned>::max();
constexpr std::size_t most_exact = 2000;  // nodes, for whose middle each is a beginning of a search

// One node, or all leaves of one node.
struct Block {
    std::vector<NodeIndex> nodes;
    std::size_t columns = 1;
    double wanted = 0;  // x of its middle
    double middle = 0;  // where it stands

    [[nodiscard]] std::size_t lines() const noexcept { return (nodes.size() + columns - 1) / columns; }
};

class Arranger {
  public:
    explicit Arranger(const Topology& topology) : neighbors_(topology.nodes.size()) {
        std::vector<std::set<NodeIndex>> sets(topology.nodes.size());
        for (const Link& link : topology.links) {
            const NodeIndex a = link.ends[0].node;
            const NodeIndex b = link.ends[1].node;
            if (a == b) continue;
            sets[a].insert(b);
            sets[b].insert(a);
        }
        for (std::size_t i = 0; i < sets.size(); ++i) neighbors_[i].assign(sets[i].begin(), sets[i].end());
    }

    Layout run(double cell_width, double cell_height) {
        Layout layout;
        layout.nodes.resize(neighbors_.size());
        if (neighbors_.empty()) return layout;
        find_ranks();
        make_rows();
        place_rows(cell_width, cell_height, layout);
        return layout;
    }

  private:
    [[nodiscard]] bool is_leaf(NodeIndex node) const noexcept {
        if (neighbors_[node].size() != 1) return false;
        const NodeIndex other = neighbors_[node].front();
        return neighbors_[other].size() > 1;
    }

    // Distances from all of `from` over nodes that are not leaves.
    [[nodiscard]] std::vector<unsigned> distances(const std::vector<NodeIndex>& from) const {
        std::vector<unsigned> found(neighbors_.size(), unseen);
        std::vector<NodeIndex> queue = from;
        for (const NodeIndex node : from) found[node] = 0;
        for (std::size_t i = 0; i < queue.size(); ++i) {
            for (const NodeIndex next : neighbors_[queue[i]]) {
                if (found[next] != unseen || is_leaf(next)) continue;
                found[next] = found[queue[i]] + 1;
                queue.push_back(next);
            }
        }
        return found;
    }

    // Of the part of the lab that `members` are.
    [[nodiscard]] std::vector<NodeIndex> middle(const std::vector<NodeIndex>& members) const {
        if (members.size() > most_exact) return {members.front()};
        std::vector<NodeIndex> leafy;
        for (const NodeIndex node : members) {
            if (std::ranges::any_of(neighbors_[node], [&](NodeIndex other) { return is_leaf(other); }))
                leafy.push_back(node);
        }
        const auto from_leaves = distances(leafy);
        std::vector<NodeIndex> best;
        std::pair<unsigned, std::int64_t> best_value{unseen, 0};
        for (const NodeIndex node : members) {
            unsigned farthest = 0;
            for (const unsigned distance : distances({node}))
                farthest = distance == unseen ? farthest : std::max(farthest, distance);
            const std::int64_t leaves = leafy.empty() ? 0 : std::int64_t{from_leaves[node]};
            const std::pair value{farthest, -leaves};
            if (value < best_value) {
                best_value = value;
                best.clear();
            }
            if (value == best_value) best.push_back(node);
        }
        return best;
    }

    void find_ranks() {
        ranks_.assign(neighbors_.size(), unseen);
        for (NodeIndex node = 0; node < neighbors_.size(); ++node) {
            if (is_leaf(node) || ranks_[node] != unseen) continue;
            std::vector<NodeIndex> members;
            const auto reached = distances({node});
            for (NodeIndex other = 0; other < neighbors_.size(); ++other) {
                if (reached[other] != unseen) members.push_back(other);
            }
            const auto ranks = distances(middle(members));
            for (const NodeIndex member : members) ranks_[member] = ranks[member];
        }
    }

    void make_rows() {
        for (NodeIndex node = 0; node < neighbors_.size(); ++node) {
            if (is_leaf(node)) continue;
            add_block(ranks_[node], {.nodes = {node}, .columns = 1});
            std::vector<NodeIndex> leaves;
            for (const NodeIndex other : neighbors_[node]) {
                if (is_leaf(other)) leaves.push_back(other);
            }
            if (leaves.empty()) continue;
            constexpr std::size_t widest_line = 5;
            const std::size_t columns =
                leaves.size() <= widest_line
                    ? leaves.size()
                    : static_cast<std::size_t>(std::ceil(std::sqrt(static_cast<double>(leaves.size()))));
            add_block(ranks_[node] + 1, {.nodes = std::move(leaves), .columns = columns});
        }
    }

    void add_block(unsigned rank, Block block) {
        if (rows_.size() <= rank) rows_.resize(rank + 1);
        rows_[rank].push_back(std::move(block));
    }

    void place_rows(double cell_width, double cell_height, Layout& layout) {
        std::vector<double> heights;
        double y = 0;
        for (std::size_t rank = 0; rank < rows_.size(); ++rank) {
            auto& row = rows_[rank];
            for (std::size_t i = 0; i < row.size(); ++i) {
                row[i].wanted = rank == 0 ? static_cast<double>(i) * cell_width
                                          : middle_of_neighbors(row[i], rank - 1, layout).value_or(0);
            }
            std::ranges::stable_sort(row, {}, &Block::wanted);
            place_row(row, y, cell_width, cell_height, layout);
            heights.push_back(y);
            std::size_t lines = 1;
            for (const Block& block : row) lines = std::max(lines, block.lines());
            y += cell_height * (static_cast<double>(lines - 1) * 0.5 + 1);
        }
        for (std::size_t rank = rows_.size() - 1; rank-- > 0;) {
            for (Block& block : rows_[rank]) {
                block.wanted = middle_of_neighbors(block, rank + 1, layout).value_or(block.middle);
            }
            place_row(rows_[rank], heights[rank], cell_width, cell_height, layout);
        }
        move_to_origin(cell_width, cell_height, layout);
    }

    static void place_row(std::vector<Block>& row, double y, double cell_width, double cell_height,
                          Layout& layout) {
        const auto middles = without_overlap(row, cell_width);
        for (std::size_t i = 0; i < row.size(); ++i) {
            row[i].middle = middles[i];
            place_block(row[i], middles[i], y, cell_width, cell_height, layout);
        }
    }

    [[nodiscard]] unsigned rank_of(NodeIndex node) const noexcept {
        return is_leaf(node) ? ranks_[neighbors_[node].front()] + 1 : ranks_[node];
    }

    // Of those that are in the row `rank`.
    [[nodiscard]] std::optional<double> middle_of_neighbors(const Block& block, std::size_t rank,
                                                            const Layout& layout) const {
        double sum = 0;
        unsigned count = 0;
        for (const NodeIndex node : block.nodes) {
            for (const NodeIndex other : neighbors_[node]) {
                if (rank_of(other) != rank) continue;
                sum += layout.nodes[other].x;
                ++count;
            }
        }
        return count == 0 ? std::nullopt : std::optional{sum / count};
    }

    // The places nearest to the wanted ones that keep the order and do not overlap: neighbors that would are
    // joined, and stand around the middle of what they want (pool adjacent violators).
    static std::vector<double> without_overlap(const std::vector<Block>& row, double cell_width) {
        struct Pool {
            std::size_t first;
            std::size_t size;
            double sum;  // of where the first would have to stand for each to be where it wants
        };

        std::vector<double> offsets(row.size());  // of the middles, standing side by side
        for (std::size_t i = 1; i < row.size(); ++i) {
            offsets[i] =
                offsets[i - 1] + (static_cast<double>(row[i - 1].columns + row[i].columns) / 2) * cell_width;
        }
        std::vector<Pool> pools;
        const auto place = [](const Pool& pool) { return pool.sum / static_cast<double>(pool.size); };
        for (std::size_t i = 0; i < row.size(); ++i) {
            pools.push_back({.first = i, .size = 1, .sum = row[i].wanted - offsets[i]});
            while (pools.size() > 1 && place(pools[pools.size() - 2]) >= place(pools.back())) {
                pools[pools.size() - 2].size += pools.back().size;
                pools[pools.size() - 2].sum += pools.back().sum;
                pools.pop_back();
            }
        }
        std::vector<double> middles(row.size());
        for (const Pool& pool : pools) {
            for (std::size_t i = pool.first; i < pool.first + pool.size; ++i)
                middles[i] = place(pool) + offsets[i];
        }
        return middles;
    }

    static void place_block(const Block& block, double middle, double y, double cell_width,
                            double cell_height, Layout& layout) {
        for (std::size_t i = 0; i < block.nodes.size(); ++i) {
            const std::size_t line = i / block.columns;
            const std::size_t in_line = std::min(block.columns, block.nodes.size() - line * block.columns);
            const double column =
                static_cast<double>(i % block.columns) - static_cast<double>(in_line - 1) / 2;
            layout.nodes[block.nodes[i]] = {.x = middle + column * cell_width,
                                            .y = y + static_cast<double>(line) * cell_height * 0.5};
        }
    }

    static void move_to_origin(double cell_width, double cell_height, Layout& layout) {
        double left = std::numeric_limits<double>::max();
        double right = std::numeric_limits<double>::lowest();
        double bottom = 0;
        for (const Point& point : layout.nodes) {
            left = std::min(left, point.x);
            right = std::max(right, point.x);
            bottom = std::max(bottom, point.y);
        }
        for (Point& point : layout.nodes) {
            point.x += cell_width / 2 - left;
            point.y += cell_height / 2;
        }
        layout.width = right - left + cell_width;
        layout.height = bottom + cell_height;
    }

    std::vector<std::vector<NodeIndex>> neighbors_;
    std::vector<unsigned> ranks_;  // of nodes that are not leaves
    std::vector<std::vector<Block>> rows_;
};

}  // namespace

Layout lay_out(const Topology& topology, double cell_width, double cell_height) {
    return Arranger{topology}.run(cell_width, cell_height);
}

}  // namespace weft::lab
