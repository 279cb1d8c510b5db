#include "cli/control.h"

#include <list>
#include <utility>

namespace weft {

// The session calls send() in the middle of its work, so a client that has to go is only marked there; the
// reaper takes it when the loop comes round again.
struct ControlServer::Client {
    UnixStream stream;
    RpcSession session;
    bool input_ended = false;
    bool doomed = false;

    Client(UnixStream connection, const RpcMethods& methods, std::function<void(Client&)> doom)
        : stream(std::move(connection)),
          session(methods, [this](std::string line) { send(std::move(line)); }),
          doom_(std::move(doom)) {
        stream.start({
            .received =
                [this](std::string_view bytes) {
                    if (!doomed) session.receive(bytes);
                },
            .ended =
                [this] {
                    input_ended = true;
                    close_when_served();
                },
            .failed = [this] { doom_(*this); },
            .written = [this] { close_when_served(); },
        });
    }

    void send(std::string line) {
        if (doomed) return;
        if (stream.unsent() > max_unsent) {
            doom_(*this);
            return;
        }
        stream.write(std::move(line));
    }

    void close_when_served() {
        if (input_ended && session.outstanding() == 0 && stream.unsent() == 0) doom_(*this);
    }

  private:
    std::function<void(Client&)> doom_;
};

struct ControlServer::State {
    RpcMethods methods;
    std::list<Client> clients;
    Timer reaper;
    UnixServer server;

    State(Loop& loop, std::string path, mode_t mode)
        : reaper(loop, [this] { clients.remove_if([](const Client& client) { return client.doomed; }); }),
          server(loop, std::move(path), mode,
                 [this](UnixStream connection) { accept(std::move(connection)); }) {}

    void accept(UnixStream connection) {
        if (clients.size() >= max_clients) return;
        clients.emplace_back(std::move(connection), methods, [this](Client& client) {
            client.doomed = true;
            reaper.start(Duration::zero());
        });
    }
};

ControlServer::ControlServer(Loop& loop, std::string path, mode_t mode)
    : state_(std::make_unique<State>(loop, std::move(path), mode)) {}

ControlServer::~ControlServer() = default;

void ControlServer::add_method(std::string name, RpcHandler handler) {
    state_->methods.insert_or_assign(std::move(name), std::move(handler));
}

std::size_t ControlServer::clients() const noexcept {
    return state_->clients.size();
}

}  // namespace weft
