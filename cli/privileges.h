// What weftd may do, at start and afterwards. It starts with the privileges that devices, sockets, namespaces
// and key files take, and gives all of them up before the first packet is handled:
//
//   user           the one that [node] user names, without supplementary groups
//   capabilities   none: permitted, effective, inheritable, ambient, bounding
//   no_new_privs   no program can give them back
//
// On every thread: the kernel keeps capabilities for each, so each is interrupted by a signal and gives up
// its own. libcap-ng does this for the calling thread alone, and not in a signal handler.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

namespace weft {

// Before anything secret is in memory: no core dumps, no tracing by others (`core_dumps`: both allowed, for
// whoever looks for a crash), and as much locked memory as the hard limit or CAP_SYS_RESOURCE allow.
void protect_memory(bool core_dumps) noexcept;

struct User {
    std::string name;  // as it is to be shown
    uid_t uid = 0;
    gid_t gid = 0;
};

// "weft", or a number, which need not be in the user database; its group is then the same number. Throws
// std::runtime_error if there is no such user.
User find_user(const std::string& name_or_number);

// Root of a user namespace that has no other user, as in a lab of weft's, or by unshare -r: outside it is an
// ordinary one, and there is nobody else to become.
bool is_alone_in_user_namespace();

// The user to become: `wanted`; or without it "weft", if this process is root's and there is such a user.
// Nothing: stays who it is, also if it is alone in its user namespace, whatever is wanted.
std::optional<User> choose_user(const std::optional<std::string>& wanted);

// Makes a folder of the user's, if there is none; what is there stays as it is, and what cannot be made is
// missed by whoever needs it.
void prepare_folder(const std::string& path, const std::optional<User>& user) noexcept;

// Gives up all capabilities but these (a bit for each, CAP_...), and for good; the bounding set has them as
// well, for pass_on_capabilities().
void keep_capabilities(std::uint32_t kept);

// A program that this process becomes has the capabilities that the process has. Of a process with one
// thread.
void pass_on_capabilities();

struct Unprivileged {
    std::optional<User> user;          // nothing: stays what it is
    std::vector<std::string> folders;  // which the user must be able to write to
    bool core_dumps = false;
};

// Throws std::runtime_error if something cannot be given up, or a folder could not be written to any more.
void drop_privileges(const Unprivileged& wanted);

}  // namespace weft
