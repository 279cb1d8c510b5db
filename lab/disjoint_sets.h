// Sets of vertices that grow together: which of them are connected.
#pragma once

#include <cstddef>
#include <vector>

namespace weft::lab {

class DisjointSets {
  public:
    using Vertex = std::size_t;

    Vertex add() {
        parents_.push_back(parents_.size());
        return parents_.size() - 1;
    }

    Vertex root(Vertex vertex) noexcept {
        while (parents_[vertex] != vertex) vertex = parents_[vertex] = parents_[parents_[vertex]];
        return vertex;
    }

    void join(Vertex a, Vertex b) noexcept { parents_[root(a)] = root(b); }

  private:
    std::vector<Vertex> parents_;
};

}  // namespace weft::lab
