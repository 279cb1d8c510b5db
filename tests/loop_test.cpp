#include "cli/loop.h"

#include <array>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include "tests/support/temporary_folder.h"
#include "tests/support/unix_peer.h"
#include "vswitch/precise_timer.h"

using namespace weft;
using namespace std::chrono_literals;
using test::connect_to;
using test::exists;
using test::TemporaryFolder;

namespace {

// Accepts one connection and sends back what comes.
struct EchoServer {
    std::unique_ptr<UnixStream> stream;
    std::string seen;
    int failures = 0;
    UnixServer server;

    EchoServer(Loop& loop, const std::string& path)
        : server(loop, path, 0600, [this, &loop](UnixStream accepted) {
              stream = std::make_unique<UnixStream>(std::move(accepted));
              stream->start({.received =
                                 [this](std::string_view bytes) {
                                     seen += bytes;
                                     stream->write(std::string{bytes});
                                 },
                             .ended = [&loop] { loop.stop(); },
                             .failed =
                                 [this, &loop] {
                                     ++failures;
                                     loop.stop();
                                 },
                             .written = [] {}});
          }) {}
};

}  // namespace

TEST_CASE("timers fire in the order of their times, a repeating one until it is stopped") {
    Loop loop;
    std::string order;
    Timer last{loop, [&] { order += 'c'; }};
    Timer first{loop, [&] { order += 'a'; }};
    Timer never{loop, [&] { order += 'x'; }};
    int turns = 0;
    std::optional<Timer> repeating;
    repeating.emplace(loop, [&] {
        order += 'r';
        if (++turns == 3) repeating->stop();
    });
    last.start(30ms);
    first.start(0ms);
    never.start(5ms);
    never.stop();
    repeating->start(1ms, 1ms);
    CHECK(last.active());
    CHECK(!never.active());
    loop.run();
    CHECK(order == "arrrc");
}

TEST_CASE("an alarm fires once, within the millisecond and not before its time") {
    Loop loop;
    std::vector<Instant> fired;
    Alarm alarm{loop, [&] { fired.push_back(precise_now()); }};
    Timer end{loop, [&] { loop.stop(); }};
    const Instant at = precise_now() + 1'300us;
    alarm.set(at);
    end.start(20ms);
    loop.run();
    REQUIRE(fired.size() == 1);
    CHECK(fired[0] >= at);
}

TEST_CASE("an alarm that is set anew fires at the new time alone, and a cleared one never") {
    Loop loop;
    int fired = 0;
    std::optional<Alarm> alarm;
    const Instant start = precise_now();
    alarm.emplace(loop, [&] {
        ++fired;
        alarm->set(precise_now() + 1ms);
        alarm->set(Instant::max());
    });
    Timer end{loop, [&] { loop.stop(); }};
    alarm->set(start + 1ms);
    alarm->set(start + 8ms);
    end.start(4ms);
    loop.run();
    CHECK(fired == 0);
    end.start(20ms);
    loop.run();
    CHECK(fired == 1);
}

TEST_CASE("an alarm for a point of time that has passed fires at once") {
    Loop loop;
    Alarm alarm{loop, [&] { loop.stop(); }};
    alarm.set(Instant{});
    loop.run();
}

TEST_CASE("a timer never fires before its time, even if that has a fraction of a millisecond") {
    Loop loop;
    const auto start = loop.now();
    Instant fired;
    Timer timer{loop, [&] { fired = loop.now(); }};
    timer.start(1500us);
    loop.run();
    CHECK(fired - start >= 1500us);
}

TEST_CASE("a timer may destroy itself in its own callback") {
    Loop loop;
    std::unique_ptr<Timer> timer;
    const auto alive = std::make_shared<int>(7);
    timer = std::make_unique<Timer>(loop, [&timer, alive] {
        timer.reset();
        CHECK(*alive == 7);
    });
    timer->start(0ms, 1ms);
    loop.run();
    CHECK(!timer);
}

TEST_CASE("run returns when nothing is left to wait for, or at once if it was stopped before") {
    Loop loop;
    loop.run();
    bool fired = false;
    Timer timer{loop, [&] { fired = true; }};
    timer.start(1h);
    loop.stop();
    loop.run();
    CHECK(!fired);
}

TEST_CASE("what a callback throws stops the loop and comes out of run, once") {
    Loop loop;
    Timer thrower{loop, [] { throw std::runtime_error("first"); }};
    Timer late{loop, [] { throw std::logic_error("not reached"); }};
    thrower.start(0ms);
    late.start(1h);
    CHECK_THROWS_WITH_AS(loop.run(), "first", std::runtime_error);
    late.stop();
    loop.run();
}

TEST_CASE("a wakeup from another thread reaches the loop, and several may be one") {
    Loop loop;
    int woken = 0;
    Wakeup wakeup{loop, [&] {
                      ++woken;
                      loop.stop();
                  }};
    {
        const std::jthread sender{[&] {
            for (int i = 0; i < 100; ++i) wakeup.send();
        }};
        loop.run();
    }
    CHECK(woken >= 1);
    CHECK(woken <= 100);
}

TEST_CASE("a signal becomes a callback") {
    Loop loop;
    int raised = 0;
    const Signal signal{loop, SIGUSR1, [&] {
                            ++raised;
                            loop.stop();
                        }};
    std::raise(SIGUSR1);
    loop.run();
    CHECK(raised == 1);
}

TEST_CASE("a poll tells what its descriptor is ready for, and rests when asked to") {
    Loop loop;
    std::array<int, 2> ends{};
    REQUIRE(pipe(ends.data()) == 0);
    std::vector<char> bytes;
    std::optional<Poll> poll;
    poll.emplace(loop, ends[0], [&](Poll::Events events) {
        CHECK(events.readable);
        char byte = 0;
        if (read(ends[0], &byte, 1) == 1) bytes.push_back(byte);
        if (bytes.size() == 2) poll->watch({});
    });
    poll->watch({.readable = true});
    REQUIRE(write(ends[1], "abc", 3) == 3);
    loop.run();
    CHECK(bytes == std::vector{'a', 'b'});

    bool writable = false;
    std::optional<Poll> out;
    out.emplace(loop, ends[1], [&](Poll::Events events) {
        writable = events.writable;
        out.reset();
    });
    out->watch({.writable = true});
    loop.run();
    CHECK(writable);
    poll.reset();
    close(ends[0]);
    close(ends[1]);
}

TEST_CASE("an error of a descriptor does not end the watching") {
    Loop loop;
    std::array<int, 2> ends{};
    REQUIRE(pipe(ends.data()) == 0);
    int calls = 0;
    std::optional<Poll> poll;
    poll.emplace(loop, ends[1], [&](Poll::Events events) {
        CHECK(events.writable);
        if (++calls == 3) poll->watch({});
    });
    poll->watch({.writable = true});
    close(ends[0]);
    loop.run();
    CHECK(calls == 3);
    poll.reset();
    close(ends[1]);
}

TEST_CASE("a descriptor that cannot be polled is refused") {
    Loop loop;
    CHECK_THROWS_AS((Poll{loop, -1, [](Poll::Events) {}}), std::runtime_error);
    loop.run();
}

TEST_CASE("a Unix socket carries bytes both ways, is for its owner only, and goes away with its server") {
    const TemporaryFolder folder;
    const auto path = folder / "made/echo.sock";
    Loop loop;
    {
        EchoServer echo{loop, path};
        struct stat file{};
        REQUIRE(stat(path.c_str(), &file) == 0);
        CHECK((file.st_mode & 0777U) == 0600);

        std::string answer;
        {
            const std::jthread client{[&] { answer = connect_to(path).say("hello"); }};
            loop.run();
            echo.stream.reset();
            loop.stop();
            loop.run();
        }
        CHECK(echo.seen == "hello");
        CHECK(answer == "hello");
    }
    loop.stop();
    loop.run();
    CHECK(!exists(path));
}

TEST_CASE("writing to a client that has hung up is a failure of the stream, not of the process") {
    const TemporaryFolder folder;
    Loop loop;
    EchoServer echo{loop, folder / "echo.sock"};
    connect_to(folder / "echo.sock").hang_up();
    loop.run();
    REQUIRE(echo.stream);
    echo.stream->write(std::string(1 << 20, 'x'));
    if (echo.failures == 0) loop.run();
    CHECK(echo.failures == 1);
}

TEST_CASE("a socket that nobody serves any more is replaced") {
    const TemporaryFolder folder;
    const auto path = folder / "stale.sock";
    test::leave_stale_socket(path);
    REQUIRE(exists(path));
    Loop loop;
    const UnixServer server{loop, path, 0600, [](UnixStream) {}};
    CHECK(exists(path));
}

TEST_CASE("a socket that is served, a file that is no socket, and a path too long are refused by name") {
    const TemporaryFolder folder;
    const auto path = folder / "busy.sock";
    const auto listen_at = [](Loop& loop, const std::string& at) {
        UnixServer{loop, at, 0600, [](UnixStream) {}};
    };
    Loop loop;
    const UnixServer server{loop, path, 0600, [](UnixStream) {}};
    CHECK_THROWS_WITH(
        listen_at(loop, path),
        ("cannot listen at " + path + ": another process serves this socket; stop it or choose another path")
            .c_str());
    CHECK(exists(path));

    const auto file = folder / "precious.txt";
    std::ofstream{file} << "keep me";
    CHECK_THROWS_AS(listen_at(loop, file), std::runtime_error);
    CHECK(std::filesystem::file_size(file) == 7);

    CHECK_THROWS_AS(listen_at(loop, folder / std::string(200, 'x')), std::runtime_error);
    CHECK_THROWS_AS(listen_at(loop, ""), std::runtime_error);
    CHECK_THROWS_AS(listen_at(loop, folder / "no/such/folder/x.sock"), std::runtime_error);
}
