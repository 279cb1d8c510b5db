#include "lab/node_sys.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>
#include <string_view>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

namespace weft::lab {

namespace {

constexpr const char* sys = "/sys";
constexpr std::size_t most_below = 32;

// The fifth word of a line of proc_pid_mountinfo(5).
std::string mount_point_of(const std::string& line) {
    std::istringstream words(line);
    std::string word;
    for (int i = 0; i < 5; ++i) words >> word;
    return word;
}

}  // namespace

// What the machine restricts cannot be had without the restriction in a namespace of users.
NodeSys::NodeSys() : flags_(MS_NOSUID | MS_NODEV | MS_NOEXEC) {
    struct statvfs now{};
    if (::statvfs(sys, &now) == 0) flags_ |= now.f_flag & (ST_RDONLY | ST_NOATIME | ST_NODIRATIME);
    std::ifstream mounts("/proc/self/mountinfo");
    for (std::string line; std::getline(mounts, line) && below_.size() < most_below;) {
        const std::string at = mount_point_of(line);
        const auto has_it = [&](const std::string& other) { return (at + "/").starts_with(other + "/"); };
        if (at.starts_with("/sys/") && std::ranges::none_of(below_, has_it)) below_.push_back(at);
    }
}

void NodeSys::mount() const noexcept {
    if (::unshare(CLONE_NEWNS) != 0) return;
    std::array<int, most_below> trees{};
    for (std::size_t i = 0; i < below_.size(); ++i) {
        trees[i] =
            ::open_tree(AT_FDCWD, below_[i].c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);
    }
    const bool is_there = ::mount("sysfs", sys, "sysfs", flags_, nullptr) == 0;
    for (std::size_t i = 0; i < below_.size(); ++i) {
        if (trees[i] < 0) continue;
        if (is_there) ::move_mount(trees[i], "", AT_FDCWD, below_[i].c_str(), MOVE_MOUNT_F_EMPTY_PATH);
        ::close(trees[i]);
    }
}

}  // namespace weft::lab
