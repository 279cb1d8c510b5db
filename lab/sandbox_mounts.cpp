#include "lab/sandbox_mounts.h"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <vector>

#include <fcntl.h>
#include <sys/mount.h>

#include <fmt/format.h>

#include "vswitch/system.h"

namespace weft::lab {

namespace {

namespace fs = std::filesystem;

constexpr unsigned long harmless = MS_NOSUID | MS_NODEV;

// A folder as it is now, whatever is mounted over it later.
class KeptFolder {
  public:
    explicit KeptFolder(const std::string& path)
        : folder_(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
        if (!folder_) throw_system_error("cannot open the folder " + path, errno);
    }

    [[nodiscard]] std::string path() const { return fmt::format("/proc/self/fd/{}", folder_.get()); }

  private:
    Descriptor folder_;
};

void bind(const std::string& from, const std::string& to) {
    if (::mount(from.c_str(), to.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0)
        throw_system_error("cannot put the lab's own " + to + " in its place (bind mount)", errno);
}

void mount_memory(const std::string& path, const char* options = "mode=755") {
    if (::mount("tmpfs", path.c_str(), "tmpfs", harmless, options) != 0)
        throw_system_error("cannot mount a file system in memory at " + path, errno);
}

void mount_proc() {
    if (::mount("proc", "/proc", "proc", harmless | MS_NOEXEC, nullptr) == 0) return;
    const int error = errno;
    throw_system_error("cannot mount the lab's own /proc", error,
                       error == EPERM ? "parts of /proc are hidden here: in a container, let it have all of "
                                        "it (--security-opt systempaths=unconfined)"
                                      : "");
}

// What nobody made on this machine cannot be made without root: then the folder around it is put together
// anew, of what was in it.
void private_folder(const fs::path& path) {
    std::error_code ignored;
    if (fs::is_directory(path, ignored)) return mount_memory(path);
    const fs::path parent = path.parent_path();
    const KeptFolder before(parent);
    std::vector<fs::directory_entry> entries;
    for (const auto& entry : fs::directory_iterator{before.path()}) entries.push_back(entry);
    mount_memory(parent);
    for (const auto& entry : entries) {
        const fs::path at = parent / entry.path().filename();
        if (entry.is_symlink(ignored)) {
            fs::copy_symlink(entry.path(), at, ignored);
        } else if (entry.is_directory(ignored)) {
            fs::create_directory(at);
            bind(entry.path(), at);
        } else if (entry.is_regular_file(ignored)) {
            const std::ofstream empty{at};
            bind(entry.path(), at);
        }
    }
    fs::create_directory(path);
}

bool is_below(const std::string& path, const std::string& folder) {
    return path.starts_with(folder + "/");
}

void write_text(const std::string& path, const std::string& text) {
    std::ofstream file(path, std::ios::trunc);
    file << text;
    if (!file.flush()) throw std::runtime_error("cannot write " + path);
}

// Programs have mount namespaces of their own, for the sake of /sys alone.
void share_mounts() {
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_SHARED, nullptr) != 0)
        throw_system_error("cannot let the lab's programs share their mounts", errno);
    ::mount(nullptr, "/sys", nullptr, MS_REC | MS_SLAVE, nullptr);  // refused if nothing is mounted there
}

}  // namespace

void mount_sandbox(const SandboxMounts& mounts) {
    // What is mounted here is nobody's else; what the machine unmounts goes here, too.
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0)
        throw_system_error("cannot keep the lab's mounts to itself", errno);
    mount_proc();
    write_text(mounts.state_folder + "/hosts", mounts.hosts);
    const KeptFolder state(mounts.state_folder);
    mount_memory("/run");
    if (is_below(mounts.state_folder, "/run")) {
        fs::create_directories(mounts.state_folder);
        bind(state.path(), mounts.state_folder);
    }
    for (const char* folder : {"/run/netns", "/run/weft", "/run/lock"}) fs::create_directory(folder);
    private_folder("/var/lib/weft");
    if (fs::exists("/etc/hosts")) bind(mounts.state_folder + "/hosts", "/etc/hosts");
    share_mounts();
}

}  // namespace weft::lab
