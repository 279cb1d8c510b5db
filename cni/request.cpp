#include "cni/request.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <utility>

#include <poll.h>
#include <unistd.h>

#include <fmt/format.h>

#include "cni/error.h"

namespace weft::cni {

using nlohmann::json;

namespace {

struct Need {
    Verb verb;
    std::string_view name;
    bool attachment;  // CNI_CONTAINERID, CNI_IFNAME
    bool netns;
    bool path;
    Version since;
};

constexpr std::array needs{
    Need{Verb::add, "ADD", true, true, false, Version::v0_3_1},
    Need{Verb::del, "DEL", true, false, false, Version::v0_3_1},
    Need{Verb::check, "CHECK", true, true, false, Version::v0_4_0},
    Need{Verb::gc, "GC", false, false, true, Version::v1_1_0},
    Need{Verb::status, "STATUS", false, false, false, Version::v1_1_0},
    Need{Verb::version, "VERSION", false, false, false, Version::v0_3_1},
};

const Need& need_of(Verb verb) {
    return *std::ranges::find(needs, verb, &Need::verb);
}

bool is_alphanumeric(char c) noexcept {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

std::string value_of(const Environment& environment, const char* name) {
    const char* value = environment(name);
    return value != nullptr ? value : "";
}

void demand_environment(const Need& need, const Request& request) {
    std::vector<std::string_view> missing;
    if (need.attachment && request.container.empty()) missing.emplace_back("CNI_CONTAINERID");
    if (need.netns && request.netns.empty()) missing.emplace_back("CNI_NETNS");
    if (need.attachment && request.ifname.empty()) missing.emplace_back("CNI_IFNAME");
    if (need.path && request.path.empty()) missing.emplace_back("CNI_PATH");
    if (!missing.empty()) {
        throw Error(Code::invalid_environment,
                    fmt::format("{} needs {}, which {} not set", need.name, fmt::join(missing, ", "),
                                missing.size() == 1 ? "is" : "are"));
    }
    if (need.attachment && !is_identifier(request.container)) {
        throw Error(Code::invalid_environment, fmt::format("CNI_CONTAINERID is '{}'", request.container),
                    "it is a letter or digit, then letters, digits, '_', '.' and '-'");
    }
    if (need.attachment && !is_interface_name(request.ifname)) {
        throw Error(
            Code::invalid_environment, fmt::format("CNI_IFNAME is '{}'", request.ifname),
            "the name of an interface has 1 to 15 bytes, none of them '/', ':' or white space, and is "
            "not '.' or '..'");
    }
}

Version version_of(const json& configuration, const Need& need) {
    const auto found = configuration.find("cniVersion");
    if (found != configuration.end() && !found->is_string())
        throw Error(Code::decoding_failure, "cniVersion is no string: " + found->dump());
    // The specification had no such key before 0.2.0.
    const auto text = found != configuration.end() ? found->get<std::string>() : "0.1.0";
    if (!is_supported(text)) {
        throw Error(Code::incompatible_version, fmt::format("cniVersion {} is not supported", text),
                    fmt::format("supported are {}", fmt::join(versions, ", ")));
    }
    const auto version = parse_version(text);
    if (version < need.since) {
        throw Error(Code::incompatible_version, fmt::format("cniVersion {} has no {}: it came with {}", text,
                                                            need.name, to_string(need.since)));
    }
    return version;
}

std::string network_of(const json& configuration) {
    const auto found = configuration.find("name");
    if (found == configuration.end() || !found->is_string() || !is_identifier(found->get<std::string>())) {
        throw Error(Code::invalid_configuration,
                    found == configuration.end() ? "the network configuration has no name"
                                                 : "the network's name is " + found->dump(),
                    "it is a letter or digit, then letters, digits, '_', '.' and '-'");
    }
    return found->get<std::string>();
}

std::vector<std::string> folders_of(std::string_view path) {
    std::vector<std::string> folders;
    while (!path.empty()) {
        const auto end = std::min(path.find(':'), path.size());
        if (end != 0) folders.emplace_back(path.substr(0, end));
        path.remove_prefix(std::min(end + 1, path.size()));
    }
    return folders;
}

}  // namespace

bool is_identifier(std::string_view text) noexcept {
    return !text.empty() && is_alphanumeric(text.front()) && std::ranges::all_of(text, [](char c) {
        return is_alphanumeric(c) || c == '_' || c == '.' || c == '-';
    });
}

bool is_interface_name(std::string_view text) noexcept {
    constexpr std::string_view forbidden = "/: \t\n\v\f\r";
    return !text.empty() && text.size() < 16 && text != "." && text != ".." &&
           text.find_first_of(forbidden) == std::string_view::npos;
}

Verb read_verb(const Environment& environment) {
    const auto command = value_of(environment, "CNI_COMMAND");
    if (const auto* need = std::ranges::find(needs, command, &Need::name); need != needs.end())
        return need->verb;
    throw Error(Code::invalid_environment,
                command.empty() ? "CNI_COMMAND is not set" : fmt::format("CNI_COMMAND is '{}'", command),
                "weft-cni is a CNI plugin: a container runtime runs it; CNI_COMMAND is ADD, DEL, CHECK, GC, "
                "STATUS or VERSION");
}

Request read_request(Verb verb, const Environment& environment, std::string text) {
    Request request;
    request.verb = verb;
    request.text = std::move(text);
    const auto& need = need_of(verb);
    if (verb == Verb::version && request.text.empty()) return request;

    request.configuration = json::parse(request.text, nullptr, false);
    if (!request.configuration.is_object()) {
        throw Error(Code::decoding_failure, request.text.empty()
                                                ? "there is no network configuration on stdin"
                                                : "the network configuration on stdin is no JSON object");
    }
    if (verb == Verb::version) return request;

    request.version = version_of(request.configuration, need);
    request.container = value_of(environment, "CNI_CONTAINERID");
    request.netns = value_of(environment, "CNI_NETNS");
    request.ifname = value_of(environment, "CNI_IFNAME");
    request.arguments = value_of(environment, "CNI_ARGS");
    request.path = folders_of(value_of(environment, "CNI_PATH"));
    demand_environment(need, request);
    request.network = network_of(request.configuration);
    return request;
}

std::string read_all(int descriptor) {
    using Clock = std::chrono::steady_clock;
    constexpr std::size_t most = std::size_t{16} << 20U;
    const auto deadline = Clock::now() + std::chrono::seconds{10};
    std::string all;
    std::array<char, 65536> buffer{};
    for (;;) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
        pollfd waiting{.fd = descriptor, .events = POLLIN, .revents = 0};
        const int ready = left > 0 ? ::poll(&waiting, 1, static_cast<int>(left)) : 0;
        if (ready == 0) {
            throw Error(Code::io_failure, "the network configuration on stdin has not ended within 10 s");
        }
        const auto size = ready < 0 ? -1 : ::read(descriptor, buffer.data(), buffer.size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) throw Error(Code::io_failure, "cannot read the network configuration from stdin");
        if (size == 0) return all;
        all.append(buffer.data(), static_cast<std::size_t>(size));
        if (all.size() > most)
            throw Error(Code::io_failure, "the network configuration on stdin has more than 16 MiB");
    }
}

}  // namespace weft::cni
