#include "cni/delegate.h"

#include <algorithm>
#include <optional>

#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cni/child.h"
#include "cni/error.h"

namespace weft::cni {

using nlohmann::json;

namespace {

std::vector<std::string> environment_with(const Delegate::Variables& variables) {
    std::vector<std::string> all = variables;
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view ours{*entry};
        const auto name = ours.substr(0, ours.find('=') + 1);
        const bool replaced =
            std::ranges::any_of(variables, [&](const auto& variable) { return variable.starts_with(name); });
        if (!replaced) all.emplace_back(ours);
    }
    return all;
}

// What it printed, short enough for a message.
std::string excerpt(const std::string& output) {
    constexpr std::size_t most = 400;
    return output.size() <= most ? output : output.substr(0, most) + "...";
}

[[noreturn]] void rethrow(const std::string& name, const json& output, const ChildResult& result) {
    const auto found = output.is_object() ? output.find("code") : output.end();
    if (output.is_object() && found != output.end() && found->is_number_unsigned()) {
        const auto text = [&](const char* key) {
            const auto value = output.value(key, json{});
            return value.is_string() ? value.get<std::string>() : std::string{};
        };
        throw Error(found->get<unsigned>(), fmt::format("IPAM plugin {}: {}", name, text("msg")),
                    text("details"));
    }
    throw Error(Code::ipam_nonsense,
                fmt::format("IPAM plugin {} {} and says no reason", name, result.ending()),
                excerpt(result.output));
}

}  // namespace

json Delegate::run(const std::string& input, const Variables& variables) const {
    const auto path = find();
    const auto result = run_child(path, environment_with(variables), input, patience);
    if (result.timed_out) {
        throw Error(Code::try_again, fmt::format("IPAM plugin {} was killed: it had not ended within {} s",
                                                 name_, patience.count()));
    }
    auto output = json::parse(result.output, nullptr, false);
    if (result.status != 0) rethrow(name_, output, result);
    if (std::ranges::all_of(result.output, [](char c) { return c == ' ' || c == '\n'; })) return {};
    if (output.is_discarded()) {
        throw Error(Code::ipam_nonsense, fmt::format("IPAM plugin {} answers, but not with JSON", name_),
                    excerpt(result.output));
    }
    return output;
}

bool Delegate::speaks(Version version) const {
    const json question = {{"cniVersion", to_string(version)}};
    const auto answer = run(question.dump(), {"CNI_COMMAND=VERSION"});
    const auto spoken = answer.is_object() ? answer.value("supportedVersions", json::array()) : json::array();
    return std::ranges::find(spoken, json(to_string(version))) != spoken.end();
}

std::string Delegate::find() const {
    for (const auto& folder : folders_) {
        auto path = folder + '/' + name_;
        if (::access(path.c_str(), X_OK) == 0) return path;
    }
    throw Error(
        Code::no_ipam, fmt::format("there is no IPAM plugin {} in CNI_PATH", name_),
        folders_.empty() ? "CNI_PATH is not set" : fmt::format("looked in {}", fmt::join(folders_, ", ")));
}

}  // namespace weft::cni
