#include "lab/expectation.h"

#include <chrono>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace weft::lab {

namespace {

using nlohmann::json;

std::optional<std::string> unmet_number(const Step::Expectation& expect, const std::string& at,
                                        const std::string& output) {
    const json document = json::parse(output, nullptr, false);
    if (document.is_discarded())
        return fmt::format("the output is to be JSON with a number at {}, and is none", at);
    const json* found = nullptr;
    try {
        const json::json_pointer pointer{at};
        if (document.contains(pointer)) found = &document.at(pointer);
    } catch (const json::exception&) {  // NOLINT(bugprone-empty-catch): an index that is none, say
    }
    if (found == nullptr || !found->is_number()) return fmt::format("the output has no number at {}", at);
    const auto value = found->get<double>();
    if (expect.at_least && !(value >= *expect.at_least)) {
        return fmt::format("{} is {:g}, and is to be at least {:g}", at, value, *expect.at_least);
    }
    if (expect.at_most && !(value <= *expect.at_most))
        return fmt::format("{} is {:g}, and is to be at most {:g}", at, value, *expect.at_most);
    return std::nullopt;
}

}  // namespace

std::optional<std::string> unmet(const Step& step, const ProgramEnd& end) {
    const Step::Expectation& expect = step.expect;
    if (end.timed_out) {
        return fmt::format("it has not ended within {:g} s",
                           std::chrono::duration<double>{step.within}.count());
    }
    if (end.status != expect.status)
        return fmt::format("its exit status is {}, and is to be {}", end.status, expect.status);
    if (expect.output && end.output.find(*expect.output) == std::string::npos)
        return fmt::format("its output is to have '{}' in it", *expect.output);
    if (expect.pointer) return unmet_number(expect, *expect.pointer, end.output);
    return std::nullopt;
}

}  // namespace weft::lab
