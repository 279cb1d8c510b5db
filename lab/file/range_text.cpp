#include "lab/file/range_text.h"

#include <charconv>
#include <utility>

#include <fmt/format.h>

#include "config/report.h"

namespace weft::lab {

namespace {

constexpr std::string_view allowed = "ij0123456789+-*/%() ";
constexpr unsigned deepest = 16;  // of parentheses

// The first "{...}" from `from` on that is an expression of i or j: where it begins, and its length.
std::optional<std::pair<std::size_t, std::size_t>> find_expression(std::string_view text,
                                                                   std::size_t from) noexcept {
    for (std::size_t open = text.find('{', from); open != std::string_view::npos;
         open = text.find('{', open + 1)) {
        const std::size_t close = text.find_first_not_of(allowed, open + 1);
        if (close == std::string_view::npos || text[close] != '}') continue;
        const std::string_view inner = text.substr(open + 1, close - open - 1);
        if (inner.find_first_of("ij") != std::string_view::npos) return std::pair{open, close - open + 1};
    }
    return std::nullopt;
}

// Recursive descent; the first fault ends it.
class Expression {
  public:
    Expression(std::string_view text, const RangeNumbers& numbers) noexcept
        : rest_(text), numbers_(&numbers) {}

    std::expected<std::int64_t, std::string> value() {
        const std::int64_t result = sum(0);
        skip_spaces();
        if (fault_.empty() && !rest_.empty()) fault_ = "is not an expression";
        if (!fault_.empty()) return std::unexpected{fault_};
        return result;
    }

  private:
    void skip_spaces() noexcept {
        while (rest_.starts_with(' ')) rest_.remove_prefix(1);
    }

    // The operator that comes next, if it is one of `operators`.
    char next_of(std::string_view operators) noexcept {
        skip_spaces();
        if (!fault_.empty() || rest_.empty() || operators.find(rest_.front()) == std::string_view::npos)
            return 0;
        const char found = rest_.front();
        rest_.remove_prefix(1);
        return found;
    }

    std::int64_t sum(unsigned depth) {
        std::int64_t left = product(depth);
        while (const char sign = next_of("+-")) {
            const std::int64_t right = product(depth);
            const bool overflows = sign == '+' ? __builtin_add_overflow(left, right, &left)
                                               : __builtin_sub_overflow(left, right, &left);
            if (overflows) fault_ = "is too large a number";
        }
        return left;
    }

    std::int64_t product(unsigned depth) {
        std::int64_t left = factor(depth);
        while (const char sign = next_of("*/%")) {
            const std::int64_t right = factor(depth);
            if (!fault_.empty()) return 0;
            if (sign == '*') {
                if (__builtin_mul_overflow(left, right, &left)) fault_ = "is too large a number";
            } else if (right == 0) {
                fault_ = "divides by zero";
            } else if (right == -1) {
                fault_ = "divides by a negative number";
            } else {
                left = sign == '/' ? left / right : left % right;
            }
        }
        return left;
    }

    std::int64_t factor(unsigned depth) {
        skip_spaces();
        if (depth > deepest || rest_.empty()) return not_one();
        if (next_of("i") != 0) return numbers_->i;
        if (next_of("j") != 0) {
            if (numbers_->j) return *numbers_->j;
            fault_ = "has a j, but the range has one count only";
            return 0;
        }
        if (next_of("(") != 0) {
            const std::int64_t inner = sum(depth + 1);
            if (next_of(")") == 0) return not_one();
            return inner;
        }
        std::int64_t number = 0;
        const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), number);
        if (error != std::errc{} || rest_.front() == '-') return not_one();
        rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
        return number;
    }

    std::int64_t not_one() {
        if (fault_.empty()) fault_ = "is not an expression";
        return 0;
    }

    std::string_view rest_;
    const RangeNumbers* numbers_;
    std::string fault_;
};

}  // namespace

bool has_range_expression(std::string_view text) noexcept {
    return find_expression(text, 0).has_value();
}

std::expected<std::string, config::Fault> fill_in(std::string_view text, const RangeNumbers& numbers) {
    std::string out;
    std::size_t done = 0;
    while (const auto found = find_expression(text, done)) {
        const auto [at, size] = *found;
        const auto value = Expression{text.substr(at + 1, size - 2), numbers}.value();
        if (!value) {
            return std::unexpected{config::Fault{
                .what = fmt::format("{} {}", config::quoted(text.substr(at, size)), value.error()),
                .cure = "write it as in \"{i}\", \"{i/10+1}\" or, with count = [20, 10], \"{i}-{j}\""}};
        }
        out += text.substr(done, at - done);
        out += fmt::format("{}", *value);
        done = at + size;
    }
    out += text.substr(done);
    return out;
}

}  // namespace weft::lab
