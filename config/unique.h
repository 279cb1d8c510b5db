// Remembers where each value was seen first.
#pragma once

#include <map>
#include <optional>
#include <utility>

#include "config/report.h"

namespace weft::config {

template <class Value>
class Unique {
  public:
    // The position of the first occurrence, if `value` is not new.
    std::optional<Position> seen(Value value, Position at) {
        const auto [entry, is_new] = first_.try_emplace(std::move(value), at);
        if (is_new) return std::nullopt;
        return entry->second;
    }

  private:
    std::map<Value, Position> first_;
};

}  // namespace weft::config
