#include "lab/clean.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>

#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/client.h"
#include "lab/lab_control.h"
#include "lab/launch.h"
#include "lab/sandbox.h"
#include "lab/state_folder.h"

namespace weft::lab {

namespace {

namespace fs = std::filesystem;

// One that begins, with sites that take their time, is not to be mistaken for one that hangs.
constexpr std::time_t hangs_after_s = 300;
constexpr std::string_view deleted_mark = " (deleted)";

struct RunnerProcess {
    pid_t pid = 0;
    std::string lock;  // as the kernel has its path
    std::time_t age_s = 0;

    [[nodiscard]] bool has_lost_its_folder() const { return lock.ends_with(deleted_mark); }

    [[nodiscard]] std::string lab() const { return fs::path{lock}.parent_path().filename(); }
};

// Nothing: of another user, or no lab's.
std::optional<RunnerProcess> look_at(pid_t pid) {
    const std::string folder = fmt::format("/proc/{}", pid);
    std::ifstream file(folder + "/comm");
    std::string name;
    if (!std::getline(file, name) || name != runner_name) return std::nullopt;
    struct stat found{};
    if (::stat(folder.c_str(), &found) != 0 || found.st_uid != ::geteuid()) return std::nullopt;
    const std::string ours = labs_folder() + "/";
    std::error_code error;
    for (const auto& entry : fs::directory_iterator{folder + "/fd", error}) {
        const std::string path = fs::read_symlink(entry.path(), error).string();
        const std::string bare = path.substr(0, path.find(deleted_mark));
        if (path.starts_with(ours) && bare.ends_with("/lock"))
            return RunnerProcess{.pid = pid, .lock = path, .age_s = std::time(nullptr) - found.st_ctime};
    }
    return std::nullopt;
}

std::vector<RunnerProcess> runner_processes() {
    std::vector<RunnerProcess> all;
    for (const auto& entry : fs::directory_iterator{"/proc"}) {
        const std::string name = entry.path().filename();
        pid_t pid = 0;
        const auto parsed = std::from_chars(name.data(), name.data() + name.size(), pid);
        if (parsed.ec != std::errc{} || parsed.ptr != name.data() + name.size()) continue;
        if (const auto process = look_at(pid)) all.push_back(*process);
    }
    return all;
}

bool answers(const std::string& lab) {
    try {
        Client client{state_folder(lab) + "/" + control_socket};
        client.give_up(std::chrono::steady_clock::now() + std::chrono::seconds{5});
        client.call("events", nlohmann::json::object());
        return true;
    } catch (const std::exception&) {
        return false;
    }
}

template <class Act>
void attempt(Cleaning& cleaning, const std::string& done, Act act) {
    try {
        act();
        cleaning.done.push_back(done);
    } catch (const std::exception& error) {
        cleaning.problems.emplace_back(error.what());
    }
}

void end_leftovers(Cleaning& cleaning) {
    for (const RunnerProcess& process : runner_processes()) {
        if (process.has_lost_its_folder()) {
            attempt(cleaning, fmt::format("ended process {} of a lab whose folder is gone", process.pid),
                    [&] { end_process(process.pid); });
        } else if (process.age_s > hangs_after_s && !answers(process.lab())) {
            attempt(cleaning, fmt::format("ended the lab {}, which did not answer", process.lab()),
                    [&] { end_process(process.pid); });
        }
    }
}

}  // namespace

Cleaning clean() {
    Cleaning cleaning;
    end_leftovers(cleaning);
    for (const std::string& lab : known_labs()) {
        auto claim = FolderClaim::try_existing(lab);
        if (claim) {
            attempt(cleaning, fmt::format("removed the folder of the lab {}, which is gone", lab),
                    [&] { claim->remove_folder(); });
        } else if (is_running(lab)) {
            cleaning.running.push_back(lab);
        } else {
            // Without a lock: it died when it had just begun.
            attempt(cleaning, fmt::format("removed the folder of the lab {}, which never began", lab),
                    [&] { fs::remove_all(state_folder(lab)); });
        }
    }
    ::rmdir(labs_folder().c_str());  // if it is empty
    return cleaning;
}

}  // namespace weft::lab
