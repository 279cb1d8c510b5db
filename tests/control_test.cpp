#include "cli/control.h"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include "cli/client.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/unix_peer.h"

using namespace weft;
using namespace std::chrono_literals;
using nlohmann::json;
using test::connect_to;
using test::TemporaryFolder;

namespace {

// A served socket in a folder of its own, and a thread that is its client.
struct Served {
    TemporaryFolder folder;
    std::string path = folder / "control.sock";
    Loop loop;
    ControlServer server{loop, path};

    Served() {
        server.add_method("echo", [](const json& params, const Reply& reply) { reply.result(params); });
        server.add_method("huge",
                          [](const json&, const Reply& reply) { reply.result(std::string(1 << 20, 'x')); });
    }

    // Serves while `client` runs.
    void run(const std::function<void()>& client) {
        Wakeup done{loop, [this] { loop.stop(); }};
        const std::jthread thread{[&] {
            client();
            done.send();
        }};
        loop.run();
    }
};

std::string request(int id, const std::string& method) {
    return json{{"jsonrpc", "2.0"}, {"id", id}, {"method", method}}.dump() + '\n';
}

std::string failure_of(const std::function<void()>& action) {
    try {
        action();
    } catch (const std::runtime_error& failure) {
        return failure.what();
    }
    return "none";
}

}  // namespace

TEST_CASE("a client gets results and errors by name, one after the other") {
    Served served;
    std::vector<json> results;
    std::string failure;
    served.run([&] {
        Client client{served.path};
        results.push_back(client.call("echo", {{"x", 1}}));
        failure = failure_of([&] { client.call("sing", {}); });
        results.push_back(client.call("huge", {}));
    });
    REQUIRE(results.size() == 2);
    CHECK(results[0] == json{{"x", 1}});
    CHECK(results[1].get<std::string>().size() == 1 << 20);
    CHECK(failure == "the daemon says: no method 'sing': there are echo, huge");
}

TEST_CASE("a client that ends its side gets the reply that comes later, and then the end") {
    Served served;
    std::vector<Reply> kept;
    Timer later{served.loop, [&] { kept.at(0).result("at last"); }};
    served.server.add_method("later", [&](const json&, const Reply& reply) {
        kept.push_back(reply);
        later.start(5ms);
    });
    std::string answer;
    served.run([&] { answer = connect_to(served.path).say(request(1, "later")); });
    CHECK(json::parse(answer) == json{{"jsonrpc", "2.0"}, {"id", 1}, {"result", "at last"}});
}

TEST_CASE("a client that leaves before its reply harms nobody") {
    Served served;
    std::vector<Reply> kept;
    served.server.add_method("later", [&](const json&, const Reply& reply) { kept.push_back(reply); });
    json result;
    served.run([&] {
        connect_to(served.path).send(request(1, "later"));
        result = Client{served.path}.call("echo", {1});
    });
    REQUIRE(kept.size() == 1);
    kept.at(0).result("nobody");
    served.run([&] { result = Client{served.path}.call("echo", {2}); });
    CHECK(result == json{2});
}

TEST_CASE("a client that does not read its replies is closed, and others are served") {
    Served served;
    bool closed = false;
    json result;
    served.run([&] {
        const auto greedy = connect_to(served.path);
        for (int i = 0; i < 100000 && !closed; ++i) closed = !greedy.send(request(i, "huge"));
        result = Client{served.path}.call("echo", {1});
    });
    CHECK(closed);
    CHECK(result == json{1});
}

TEST_CASE("clients beyond the bound are closed at once, and there is room again when one leaves") {
    Served served;
    std::string refused = "not asked";
    json result;
    served.run([&] {
        std::vector<test::UnixPeer> idle;
        idle.reserve(ControlServer::max_clients);
        for (std::size_t i = 0; i < ControlServer::max_clients; ++i) idle.push_back(connect_to(served.path));
        refused = connect_to(served.path).receive_all();
        CHECK(idle.back().say("").empty());
        result = Client{served.path}.call("echo", {1});
    });
    CHECK(refused.empty());
    CHECK(result == json{1});
}

TEST_CASE("a missing, a stale and a foreign socket are each explained") {
    const TemporaryFolder folder;
    CHECK(failure_of([&] { Client{folder / "none.sock"}; }) ==
          "cannot reach the daemon at " + (folder / "none.sock") +
              ": there is no such socket; is weftd running, and is this the path in its [node] control?");
    test::leave_stale_socket(folder / "stale.sock");
    CHECK(failure_of([&] { Client{folder / "stale.sock"}; }) ==
          "cannot reach the daemon at " + (folder / "stale.sock") +
              ": nobody serves this socket; its weftd is gone, start it again");

    Loop loop;
    std::optional<UnixStream> stream;
    const UnixServer server{
        loop, folder / "foreign.sock", 0600, [&](UnixStream accepted) {
            stream.emplace(std::move(accepted));
            stream->start({.received = [&](std::string_view) { stream->write("220 hello\n"); },
                           .ended = [&] { loop.stop(); },
                           .failed = [&] { loop.stop(); },
                           .written = [] {}});
        }};
    std::string failure;
    {
        const std::jthread thread{
            [&] { failure = failure_of([&] { Client{folder / "foreign.sock"}.call("status", {}); }); }};
        loop.run();
    }
    CHECK(failure == "what answers at " + (folder / "foreign.sock") + " is no weft daemon");
}

TEST_CASE("a refusal has its code, and is told apart from no answer") {
    Served served;
    served.server.add_method("picky",
                             [](const json&, const Reply&) { throw InvalidParams("no such bridge"); });
    int code = 0;
    std::string message;
    served.run([&] {
        try {
            Client{served.path}.call("picky", {});
        } catch (const RefusedCall& refused) {
            code = refused.code();
            message = refused.what();
        }
    });
    CHECK(code == static_cast<int>(RpcCode::invalid_params));
    CHECK(message == "the daemon says: no such bridge");
}

TEST_CASE("a client that is out of time does not wait for an answer any more") {
    Served served;
    std::vector<Reply> kept;
    served.server.add_method("never", [&](const json&, const Reply& reply) { kept.push_back(reply); });
    std::string late;
    std::string too_late;
    served.run([&] {
        Client client{served.path};
        client.give_up(std::chrono::steady_clock::now() + 5ms);
        late = failure_of([&] { client.call("never", {}); });
        too_late = failure_of([&] { client.call("echo", {}); });
    });
    CHECK(late != "none");
    CHECK(too_late == "the daemon at " + served.path + " has not answered in the time that there was");
}

TEST_CASE("the only socket of the folder is the default, and the environment goes before it") {
    const TemporaryFolder folder;
    CHECK(default_control_path("/x/y.sock", folder.path()) == "/x/y.sock");
    CHECK(failure_of([&] { default_control_path(nullptr, folder.path()); }) ==
          "no daemon found: there is no socket in " + folder.path() +
              "; start weftd, or name its socket by --control or WEFT_CONTROL");
    test::leave_stale_socket(folder / "b.sock");
    CHECK(default_control_path(nullptr, folder.path()) == folder / "b.sock");
    CHECK(default_control_path("", folder.path()) == folder / "b.sock");
    test::leave_stale_socket(folder / "a.sock");
    CHECK(failure_of([&] { default_control_path(nullptr, folder.path()); }) ==
          "several daemons run here: choose one by --control or WEFT_CONTROL: " + (folder / "a.sock") + " " +
              (folder / "b.sock"));
}

TEST_CASE("a client that subscribes is told what happens, until the daemon ends") {
    auto served = std::make_unique<Served>();
    const auto path = served->path;
    std::optional<RpcClient> subscriber;
    std::optional<Timer> tell;
    int count = 0;
    tell.emplace(served->loop, [&] {
        if (count == 3) return served->loop.stop();
        CHECK(subscriber->notify("event", {{"n", ++count}}));
    });
    served->server.add_method("watch", [&](const json&, const Reply& reply) {
        reply.result("yes");
        subscriber = reply.client();
        tell->start(1ms, 1ms);
    });
    std::vector<json> told;
    std::string failure;
    {
        const std::jthread thread{[&] {
            Client client{path};
            client.call("watch", {});
            failure = failure_of([&] {
                while (true) told.push_back(client.next_notification());
            });
        }};
        served->loop.run();
        tell.reset();
        served.reset();
    }
    CHECK(told == std::vector<json>{{{"n", 1}}, {{"n", 2}}, {{"n", 3}}});
    CHECK(failure == "the daemon at " + path + " closed the connection");
    REQUIRE(subscriber);
    CHECK(subscriber->gone());
}
