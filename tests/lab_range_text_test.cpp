// Numbers in the texts of a lab's ranges.
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

#include "lab/file/range_text.h"

namespace weft::test {

namespace {

std::string filled(std::string_view text, const lab::RangeNumbers& numbers) {
    const auto out = lab::fill_in(text, numbers);
    return out ? *out : "fault: " + out.error().what;
}

}  // namespace

TEST_CASE("an expression in braces is calculated, and everything else stays as it is") {
    const lab::RangeNumbers numbers{.i = 7, .j = 3};
    const std::vector<std::pair<std::string, std::string>> cases{
        {"h{i}", "h7"},
        {"{i}-{j}", "7-3"},
        {"{i+1}{j}", "83"},
        {"{ i + 2 * j }", "13"},
        {"{(i+2)*j}", "27"},
        {"{i/2}.{i%2}", "3.1"},
        {"{10-i-j}", "0"},
        {"{i-j*3}", "-2"},
        {"awk '{print $1}'", "awk '{print $1}'"},
        {"{}", "{}"},
        {"{12}", "{12}"},
        {"{name}", "{name}"},
        {"{i", "{i"},
        {"{{i}}", "{7}"},
        {"$(echo {a,b}) {i}", "$(echo {a,b}) 7"},
    };
    for (const auto& [text, expected] : cases) {
        CAPTURE(text);
        CHECK(filled(text, numbers) == expected);
    }
}

TEST_CASE("an expression that cannot be calculated is a fault, whatever it is made of") {
    const lab::RangeNumbers numbers{.i = 7, .j = std::nullopt};
    CHECK(filled("{j}", numbers) == "fault: '{j}' has a j, but the range has one count only");
    CHECK(filled("{i/0}", numbers) == "fault: '{i/0}' divides by zero");
    CHECK(filled("{i%(i-7)}", numbers) == "fault: '{i%(i-7)}' divides by zero");
    CHECK(filled("{i i}", numbers) == "fault: '{i i}' is not an expression");
    CHECK(filled("{i+}", numbers) == "fault: '{i+}' is not an expression");
    CHECK(filled("{(i}", numbers) == "fault: '{(i}' is not an expression");
    CHECK(filled("{-i}", numbers) == "fault: '{-i}' is not an expression");
    CHECK(filled("{i*9223372036854775807}", numbers) ==
          "fault: '{i*9223372036854775807}' is too large a number");
    CHECK(filled("{i+99999999999999999999}", numbers) ==
          "fault: '{i+99999999999999999999}' is not an expression");
    const std::string deep = "{" + std::string(100, '(') + "i" + std::string(100, ')') + "}";
    CHECK(filled(deep, numbers).starts_with("fault: "));
}

TEST_CASE("a number that nothing can divide is not divided") {
    // The one division whose result does not fit is by -1.
    CHECK(filled("{i/(0-1)}", {.i = 7, .j = std::nullopt}) ==
          "fault: '{i/(0-1)}' divides by a negative number");
}

}  // namespace weft::test
