#include "lab/state_folder.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <stdexcept>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

namespace weft::lab {

namespace {

constexpr mode_t only_ours = 0700;

// The folder is ours and nobody else's, or in /tmp a stranger could be there first.
std::string private_folder(const std::string& path) {
    if (::mkdir(path.c_str(), only_ours) != 0 && errno != EEXIST)
        throw_system_error("cannot make the folder " + path, errno);
    struct stat found{};
    if (::lstat(path.c_str(), &found) != 0) throw_system_error("cannot look at " + path, errno);
    if (!S_ISDIR(found.st_mode) || found.st_uid != ::geteuid() || (found.st_mode & 022U) != 0) {
        throw std::runtime_error(fmt::format(
            "{} is not a folder of this user's alone: remove it, or set XDG_RUNTIME_DIR to one that is",
            path));
    }
    return path;
}

std::string runtime_folder() {
    if (::geteuid() == 0) return "/run";
    const char* given = std::getenv("XDG_RUNTIME_DIR");  // NOLINT(concurrency-mt-unsafe)
    for (const std::string& folder :
         {std::string{given != nullptr ? given : ""}, fmt::format("/run/user/{}", ::geteuid())}) {
        if (folder.starts_with('/') && ::access(folder.c_str(), W_OK | X_OK) == 0) return folder;
    }
    return {};
}

Descriptor open_lock(const std::string& folder, int flags) {
    return Descriptor(::open((folder + "/lock").c_str(), flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0600));
}

bool is_still_at(const Descriptor& lock, const std::string& folder) {
    struct stat held{};
    struct stat there{};
    return ::fstat(lock.get(), &held) == 0 && ::lstat((folder + "/lock").c_str(), &there) == 0 &&
           held.st_ino == there.st_ino && held.st_dev == there.st_dev;
}

void empty(const std::string& folder, bool with_lock) {
    for (const auto& entry : std::filesystem::directory_iterator{folder}) {
        if (with_lock || entry.path().filename() != "lock") std::filesystem::remove_all(entry.path());
    }
}

}  // namespace

bool is_lab_name(const std::string& name) noexcept {
    constexpr std::string_view letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    constexpr std::size_t longest = 32;
    return !name.empty() && name.size() <= longest && letters.find(name[0]) != std::string_view::npos &&
           name.find_first_not_of(std::string{letters} + "._-") == std::string::npos;
}

std::string labs_folder() {
    const char* given = std::getenv("WEFT_LAB_FOLDER");  // NOLINT(concurrency-mt-unsafe)
    if (given != nullptr && *given == '/') return given;
    const std::string runtime = runtime_folder();
    return runtime.empty() ? fmt::format("/tmp/weft-lab-{}", ::geteuid()) : runtime + "/weft-lab";
}

std::string state_folder(const std::string& lab) {
    if (!is_lab_name(lab)) {
        throw std::runtime_error(fmt::format(
            "'{}' cannot be a lab's name: it has 1 to 32 letters, digits, '.', '_' and '-'", lab));
    }
    return labs_folder() + "/" + lab;
}

std::vector<std::string> known_labs() {
    std::vector<std::string> names;
    std::error_code ignored;  // no folder: no labs
    for (const auto& entry : std::filesystem::directory_iterator{labs_folder(), ignored}) {
        const std::string name = entry.path().filename();
        if (is_lab_name(name)) names.push_back(name);
    }
    std::ranges::sort(names);
    return names;
}

bool is_running(const std::string& lab) {
    const Descriptor lock = open_lock(state_folder(lab), 0);
    return lock && ::flock(lock.get(), LOCK_SH | LOCK_NB) != 0;
}

std::optional<FolderClaim> FolderClaim::try_existing(const std::string& lab) {
    const std::string folder = state_folder(lab);
    Descriptor lock = open_lock(folder, 0);
    if (!lock || ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0 || !is_still_at(lock, folder))
        return std::nullopt;
    return FolderClaim{folder, std::move(lock)};
}

FolderClaim FolderClaim::take(const std::string& lab) {
    const std::string folder = state_folder(lab);
    // Another one may remove the folders between two of these calls, or look for a moment whether the lock is
    // held.
    for (int attempt = 0; attempt < 20; ++attempt) {
        private_folder(labs_folder());
        if (::mkdir(folder.c_str(), only_ours) != 0 && errno == ENOENT) continue;
        private_folder(folder);
        Descriptor lock = open_lock(folder, O_CREAT);
        if (!lock && errno == ENOENT) continue;
        if (!lock) throw_system_error("cannot make " + folder + "/lock", errno);
        if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
            ::usleep(5'000);
            continue;
        }
        if (!is_still_at(lock, folder)) continue;
        empty(folder, false);
        return FolderClaim{folder, std::move(lock)};
    }
    throw std::runtime_error(fmt::format(
        "a lab called {0} runs already: end it (weft lab down {0}), or call this one otherwise (--name)",
        lab));
}

// The lock last: while it is there nobody else comes in.
void FolderClaim::remove_folder() {
    empty(path_, false);
    ::unlink((path_ + "/lock").c_str());
    ::rmdir(path_.c_str());
}

}  // namespace weft::lab
