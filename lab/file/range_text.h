// Texts with numbers to be filled in: "h{i}", "10.{i/250}.{i%250+1}.1/24". What is in braces is an expression
// of i, j, whole numbers, + - * / % and parentheses, calculated in 64 bits; braces around anything else
// (awk's, a shell's) are left as they are.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "config/values.h"

namespace weft::lab {

struct RangeNumbers {
    std::int64_t i = 0;
    std::optional<std::int64_t> j;  // in a range of two counts

    friend bool operator==(const RangeNumbers&, const RangeNumbers&) = default;
};

bool has_range_expression(std::string_view text) noexcept;

// What is wrong: a division by zero, j in a range of one count, an expression that is not one, an overflow.
std::expected<std::string, config::Fault> fill_in(std::string_view text, const RangeNumbers& numbers);

}  // namespace weft::lab
