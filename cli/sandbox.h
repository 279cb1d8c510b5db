// The last act of starting: from here on the process can make only the system calls that the code names which
// needs them (vswitch/system_call.h), and dies by SIGSYS at any other. Installed on all threads at once; it
// cannot be taken off.
//
// Limits. A filter sees numbers and arguments, not what pointers lead to: it cannot tell one file from
// another. What file may be opened is decided by the user that the process has become, and by the service
// manager (systemd/weftd.service). docs/security.md says what is left.
#pragma once

namespace weft {

// False: this build has none, since sanitizers need calls of their own (LeakSanitizer forks and traces).
inline constexpr bool has_sandbox =
#if defined(__SANITIZE_ADDRESS__)
    false;
#elif defined(__has_feature)
    !__has_feature(address_sanitizer);
#else
    true;
#endif

// What not every configuration needs.
struct SandboxOptions {
    bool resolves_names = false;  // an endpoint is a name
    bool writes_files = false;    // counters of manual SAs, timestamps
    bool drops_early = false;     // a BPF program that is open may be attached
};

// Throws std::runtime_error if the kernel cannot filter.
void enter_sandbox(const SandboxOptions& options);

}  // namespace weft
