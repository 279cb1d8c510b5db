#include "cli/runtime_state.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <set>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/params.h"
#include "cli/rpc.h"
#include "config/report.h"
#include "vswitch/system.h"

namespace weft {

using nlohmann::json;

namespace {

constexpr std::size_t largest_file = std::size_t{64} << 20U;

constexpr std::array state_keys{
    Param{"version", true, R"("version": 1)"},
    Param{"ports", true, R"("ports": [])"},
    Param{"bridges", true, R"("bridges": [])"},
    Param{"leases", true, R"("leases": [])"},
};

[[noreturn]] void refuse(const std::string& file, std::string_view what) {
    throw std::runtime_error(
        fmt::format("state file {}: {}: correct it, or move it away, and what was added at run time is gone",
                    file, what));
}

json to_document(std::string_view text, const std::string& file) {
    if (text.size() > largest_file) refuse(file, "is larger than 64 MiB");
    try {
        return json::parse(text);
    } catch (const json::parse_error& error) {
        refuse(file, fmt::format("is damaged: byte {} of {} is not JSON", error.byte, text.size()));
    } catch (const json::out_of_range&) {
        refuse(file, "is damaged: it has a number that is larger than any number is");
    }
}

// Looked at first: another version may have other keys.
void check_version(const json& document, const std::string& file) {
    if (!document.is_object() || !document.contains("version")) return;
    const json& version = document.at("version");
    if (!version.is_number_integer() || version == RuntimeState::version) return;
    throw std::runtime_error(
        fmt::format("state file {}: 'version' is {}, and this weftd knows {} only: start the weftd that "
                    "wrote it, or move "
                    "it away, and what was added at run time is gone",
                    file, version.dump(), RuntimeState::version));
}

// The objects of a list, no two of which may have the same name.
template <class Object>
std::vector<Object> read_list(const Params& document, std::string_view key, std::string_view name_key,
                              Object (*read)(const json&, const std::string&),
                              const std::string& (*name)(const Object&)) {
    std::vector<Object> objects;
    std::set<std::string> names;
    for (const json& element : *document.list(key)) {
        const auto place = document.place(key, objects.size());
        objects.push_back(read(element, place));
        if (!names.insert(name(objects.back())).second) {
            Params::refuse(fmt::format("{}.{}", place, name_key),
                           {fmt::format("a second {}", config::quoted(name(objects.back()))), "remove one"});
        }
    }
    return objects;
}

Descriptor open_to_write(const std::string& path) {
    Descriptor file{::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)};
    if (!file) {
        throw_system_error("state file " + path, errno,
                           "make the folder writable for weftd, or name another with [node] state_dir");
    }
    return file;
}

void write_synced(const std::string& path, std::string_view text) {
    const Descriptor file = open_to_write(path);
    while (!text.empty()) {
        const auto written = ::write(file.get(), text.data(), text.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) throw_system_error("state file " + path, errno, "make room for it");
        text.remove_prefix(static_cast<std::size_t>(written));
    }
    if (::fsync(file.get()) != 0) throw_system_error("state file " + path, errno, "make room for it");
}

// A folder that may not be read, or that cannot be synced, does not make what was written wrong.
void sync_folder(const std::string& path) {
    const auto parent = std::filesystem::path(path).parent_path();
    const Descriptor folder{
        ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (folder) ::fsync(folder.get());
}

std::string read_text(int file, const std::string& path) {
    std::string text;
    std::array<char, 65536> chunk{};
    while (text.size() <= largest_file) {
        const auto got = ::read(file, chunk.data(), chunk.size());
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) throw_system_error("state file " + path, errno);
        if (got == 0) break;
        text.append(chunk.data(), static_cast<std::size_t>(got));
    }
    return text;
}

}  // namespace

RuntimeState RuntimeState::parse(std::string_view text, const std::string& file) {
    const json document = to_document(text, file);
    check_version(document, file);
    try {
        const Params params{document, state_keys};
        (void)params.integer("version");
        RuntimeState state;
        state.ports = read_list<RuntimePort>(
            params, "ports", "name", port_from_json,
            [](const RuntimePort& port) -> const std::string& { return port.port.name; });
        state.bridges = read_list<RuntimeBridge>(
            params, "bridges", "name", bridge_from_json,
            [](const RuntimeBridge& bridge) -> const std::string& { return bridge.bridge.name; });
        state.leases = read_list<Lease>(params, "leases", "owner", lease_from_json,
                                        [](const Lease& lease) -> const std::string& { return lease.owner; });
        return state;
    } catch (const InvalidParams& problem) {
        refuse(file, problem.what());
    }
}

RuntimeState RuntimeState::load(const std::string& path) {
    const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW)};
    if (!file && errno == ENOENT) return {};
    if (!file) throw_system_error("state file " + path, errno, "make it a file that weftd may read");
    return parse(read_text(file.get(), path), path);
}

void RuntimeState::save(const std::string& path) const {
    const std::string fresh = path + ".new";
    write_synced(fresh, to_json(*this).dump(1) + '\n');
    if (std::rename(fresh.c_str(), path.c_str()) != 0) throw_system_error("state file " + path, errno);
    sync_folder(path);
}

json to_json(const RuntimeState& state) {
    json document{{"version", RuntimeState::version},
                  {"ports", json::array()},
                  {"bridges", json::array()},
                  {"leases", json::array()}};
    for (const auto& port : state.ports) document["ports"].push_back(to_json(port));
    for (const auto& bridge : state.bridges) document["bridges"].push_back(to_json(bridge));
    for (const auto& lease : state.leases) document["leases"].push_back(to_json(lease));
    return document;
}

std::string runtime_state_path(const std::string& state_dir, const std::string& node) {
    return fmt::format("{}/{}.json", state_dir, node);
}

}  // namespace weft
