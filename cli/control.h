// The control socket: JSON-RPC 2.0 (rpc.h) over a Unix socket (loop.h). Methods are added by name by whoever
// can answer them.
//
// Limits: max_clients connections, more are closed at once; a client that lets max_unsent bytes of replies
// lie unread is closed. A client that ends its sending side still gets what it asked for, then it is closed.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include <sys/types.h>

#include "cli/loop.h"
#include "cli/rpc.h"

namespace weft {

class ControlServer {
  public:
    static constexpr std::size_t max_clients = 32;
    static constexpr std::size_t max_unsent = std::size_t{4} << 20U;

    // Listens at once; throws as UnixServer does.
    ControlServer(Loop& loop, std::string path, mode_t mode = 0660);
    ~ControlServer();
    ControlServer(const ControlServer&) = delete;
    ControlServer& operator=(const ControlServer&) = delete;

    // Replaces a method of the same name. Not to be called by a handler.
    void add_method(std::string name, RpcHandler handler);

    [[nodiscard]] std::size_t clients() const noexcept;

  private:
    struct Client;
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace weft
