// A set of numbers below 2^128, kept as runs of consecutive ones: what a network has of taken host numbers.
// Memory grows with the runs, never with the network, and each operation costs the logarithm of their
// number: the next number that is free lies behind the run that a search begins in, however long that is.
#pragma once

#include <cstddef>
#include <map>
#include <optional>

namespace weft {

class AddressRuns {
  public:
    using Number = unsigned __int128;

    void insert(Number number);  // nothing happens if it is there
    void erase(Number number);   // nothing happens if it is not

    [[nodiscard]] bool contains(Number number) const;

    // The lowest number of `from` to `last`, both included, that is not in the set.
    [[nodiscard]] std::optional<Number> first_free(Number from, Number last) const;

    [[nodiscard]] std::size_t runs() const noexcept { return runs_.size(); }

  private:
    using Runs = std::map<Number, Number>;  // the first of a run and its last

    [[nodiscard]] Runs::const_iterator run_with(Number number) const;  // or end()

    Runs runs_;
};

}  // namespace weft
