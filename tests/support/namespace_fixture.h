// Real devices for tests, out of everybody's sight: the process moves into a network and a mount namespace of
// its own (and, without root, into a user namespace in which it is root) with an empty /run. Whatever a test
// makes there ends with the process.
#pragma once

#include <functional>
#include <optional>
#include <string>

namespace weft::test {

// Must come first in main. Returns why it cannot be done: then the tests are to be skipped, with this exit
// code.
std::optional<std::string> enter_sandbox();
inline constexpr int skipped_exit_code = 77;

// What a test needs beside the sandbox: asked by main inside of it, defined by a test that has such needs.
std::optional<std::string> further_obstacle();

// Runs a shell command here; throws std::runtime_error with the command if it fails.
void run(const std::string& command);

// A network namespace under /run/netns, its loopback up. It goes away with the object and the devices in it.
class NetworkNamespace {
  public:
    explicit NetworkNamespace(std::string name);
    ~NetworkNamespace();
    NetworkNamespace(const NetworkNamespace&) = delete;
    NetworkNamespace& operator=(const NetworkNamespace&) = delete;

    [[nodiscard]] const std::string& name() const noexcept { return name_; }

    void run(const std::string& command) const;
    void enter(const std::function<void()>& work) const;

  private:
    std::string name_;
    std::string path_;
};

}  // namespace weft::test
