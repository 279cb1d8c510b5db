#include "cni/pending.h"

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <system_error>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <fmt/format.h>

#include "cni/error.h"
#include "cni/port_name.h"
#include "vswitch/system.h"

namespace weft::cni {

using nlohmann::json;
namespace fs = std::filesystem;

namespace {

constexpr std::size_t most = 4096;
constexpr std::string_view suffix = ".removal";

// Nothing if another plugin keeps it for longer than a plugin lives.
Descriptor lock(const std::string& folder) {
    Descriptor descriptor{::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    const auto deadline = std::chrono::steady_clock::now() + Daemon::patience;
    while (descriptor && ::flock(descriptor.get(), LOCK_EX | LOCK_NB) != 0) {
        if (std::chrono::steady_clock::now() > deadline) return Descriptor{};
        std::this_thread::sleep_for(std::chrono::milliseconds{20});
    }
    return descriptor;
}

std::vector<fs::path> waiting_in(const std::string& folder) {
    std::vector<fs::path> waiting;
    std::error_code ignored;  // no folder: nothing waits
    for (const auto& entry : fs::directory_iterator{folder, ignored}) {
        if (entry.path().extension() == suffix) waiting.push_back(entry.path());
    }
    return waiting;
}

json read(const fs::path& path) {
    std::ifstream file{path};
    return json::parse(file, nullptr, false);
}

// Whole or not at all.
void write(const fs::path& path, const std::string& text) {
    const auto unfinished = path.string() + "~" + std::to_string(::getpid());
    std::ofstream file{unfinished};
    file << text << std::flush;
    const bool written = file.good();
    file.close();
    std::error_code failure;
    if (written) fs::rename(unfinished, path, failure);
    if (!written || failure) {
        fs::remove(unfinished, failure);
        throw_system_error("cannot write " + path.string(), EIO);
    }
}

void settle(const NetworkConfig& config, Daemon& daemon) {
    if (waiting_in(config.data_folder).empty()) return;
    const auto locked = lock(config.data_folder);
    if (!locked) return;
    // Again: another plugin may have been here while we waited for the lock.
    for (const auto& path : waiting_in(config.data_folder)) {
        const auto removal = read(path);
        if (!removal.is_object() || removal.value("control", json{}) != config.control) continue;
        daemon.remove_port(removal.value("port", ""));
        daemon.release(removal.value("owner", ""));
        fs::remove(path);
    }
}

}  // namespace

void write_down_removal(const Request& request, const NetworkConfig& config) {
    try {
        fs::create_directories(config.data_folder);
        const auto locked = lock(config.data_folder);
        if (waiting_in(config.data_folder).size() >= most)
            throw std::runtime_error(fmt::format("{} removals wait in {}", most, config.data_folder));
        const json removal = {
            {"control", config.control}, {"port", port_name(request)}, {"owner", lease_owner(request)}};
        write(fs::path{config.data_folder} / (port_name(request) + std::string{suffix}),
              removal.dump() + '\n');
    } catch (const std::exception& failure) {
        throw Error(Code::try_again, "weftd does not answer, and the removal cannot be written down",
                    failure.what());
    }
}

void settle_pending(const NetworkConfig& config, Daemon& daemon) noexcept {
    try {
        settle(config, daemon);
    } catch (const std::exception& failure) {
        fmt::print(stderr, "weft-cni: a removal has to wait on: {}\n", failure.what());
    }
}

}  // namespace weft::cni
