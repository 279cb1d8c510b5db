#include "cli/loop.h"

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <filesystem>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include <fmt/format.h>

#include "vswitch/precise_timer.h"

namespace weft {

struct Loop::State {
    uv_loop_t uv{};
    std::exception_ptr failure;
    bool stopped = false;
    Duration busy_poll{0};
    std::chrono::steady_clock::time_point last_event;  // of a descriptor, if busy_poll is on
    std::array<char, 65536>
        read_buffer{};  // for whichever stream reads: its bytes are consumed before the next read

    void note_event() noexcept {
        if (busy_poll != Duration::zero()) last_event = std::chrono::steady_clock::now();
    }

    [[nodiscard]] bool expects_more() const noexcept {
        return std::chrono::steady_clock::now() - last_event < busy_poll;
    }
};

namespace {

void check(int status, const char* what) {
    if (status < 0) throw std::runtime_error(fmt::format("{}: {}", what, uv_strerror(status)));
}

// Runs a callback on the C side of a handle: what it throws is kept for run().
template <class Handle, class Call>
void guarded(const Handle* handle, Call&& call) noexcept {
    auto& loop = *static_cast<Loop::State*>(handle->loop->data);
    try {
        std::forward<Call>(call)();
    } catch (...) {
        if (!loop.failure) loop.failure = std::current_exception();
        loop.stopped = true;
        uv_stop(&loop.uv);
    }
}

template <class State, class Handle>
State& state_of(const Handle* handle) noexcept {
    return *static_cast<State*>(handle->data);
}

// A state whose handle was initialized: from here on only uv_close() may free it.
template <class State>
loop_detail::Handle<State> adopt(std::unique_ptr<State> state) noexcept {
    state->uv.data = state.get();
    return loop_detail::Handle<State>{state.release()};
}

// Rounded up, so that the time has come when the timer fires.
std::uint64_t milliseconds(Duration duration) noexcept {
    const auto value = std::chrono::ceil<std::chrono::milliseconds>(duration).count();
    return value > 0 ? static_cast<std::uint64_t>(value) : 0;
}

}  // namespace

template <class State>
void loop_detail::Close<State>::operator()(State* state) const noexcept {
    uv_close(reinterpret_cast<uv_handle_t*>(&state->uv),
             [](uv_handle_t* handle) { delete static_cast<State*>(handle->data); });
}

// --- Loop

Loop::Loop() : state_(std::make_unique<State>()) {
    check(uv_loop_init(&state_->uv), "cannot start an event loop");
    state_->uv.data = state_.get();
}

Loop::~Loop() {
    const auto refuse_open = [](uv_handle_t* handle, void*) {
        if (uv_is_closing(handle) != 0) return;
        fmt::print(stderr, "a {} outlives its event loop\n", uv_handle_type_name(handle->type));
        std::abort();
    };
    uv_walk(&state_->uv, refuse_open, nullptr);
    while (uv_loop_close(&state_->uv) == UV_EBUSY) uv_run(&state_->uv, UV_RUN_DEFAULT);
}

void Loop::run() {
    bool alive = true;
    while (alive && !std::exchange(state_->stopped, false)) {
        const uv_run_mode mode = state_->busy_poll == Duration::zero() ? UV_RUN_DEFAULT
                                 : state_->expects_more()              ? UV_RUN_NOWAIT
                                                                       : UV_RUN_ONCE;
        alive = uv_run(&state_->uv, mode) != 0;
        if (mode == UV_RUN_NOWAIT) std::this_thread::yield();
    }
    if (state_->failure) std::rethrow_exception(std::exchange(state_->failure, nullptr));
}

void Loop::stop() noexcept {
    state_->stopped = true;
    uv_stop(&state_->uv);
}

// A run of the other mode may be under way: it ends, and begins anew.
void Loop::busy_poll(Duration after_event) noexcept {
    state_->busy_poll = after_event;
    uv_stop(&state_->uv);
}

Instant Loop::now() const noexcept {
    return Instant{std::chrono::milliseconds{uv_now(&state_->uv)}};
}

// --- Timer

struct Timer::State {
    uv_timer_t uv{};
    std::function<void()> fired;
};

Timer::Timer(Loop& loop, std::function<void()> fired) {
    auto state = std::make_unique<State>();
    state->fired = std::move(fired);
    check(uv_timer_init(&loop.state().uv, &state->uv), "cannot make a timer");
    state_ = adopt(std::move(state));
}

void Timer::start(Duration after, Duration repeat) {
    const auto fired = [](uv_timer_t* timer) { guarded(timer, state_of<State>(timer).fired); };
    check(uv_timer_start(&state_->uv, fired, milliseconds(after), milliseconds(repeat)),
          "cannot start a timer");
}

void Timer::stop() noexcept {
    uv_timer_stop(&state_->uv);
}

bool Timer::active() const noexcept {
    return uv_is_active(reinterpret_cast<const uv_handle_t*>(&state_->uv)) != 0;
}

// --- Alarm

struct Alarm::State {
    uv_poll_t uv{};
    PreciseTimer timer;
    std::function<void()> fired;

    static void on_ready(uv_poll_t* poll, int /*status*/, int /*happened*/) noexcept {
        guarded(poll, [poll] {
            auto& state = state_of<State>(poll);
            // Or it was set anew in this turn, by whoever was called back before.
            if (state.timer.take()) state.fired();
        });
    }
};

Alarm::Alarm(Loop& loop, std::function<void()> fired) {
    auto state = std::make_unique<State>();
    state->fired = std::move(fired);
    check(uv_poll_init(&loop.state().uv, &state->uv, state->timer.descriptor()), "cannot make an alarm");
    state_ = adopt(std::move(state));
    check(uv_poll_start(&state_->uv, UV_READABLE, State::on_ready), "cannot make an alarm");
}

void Alarm::set(Instant at) noexcept {
    state_->timer.set(at);
}

// --- Poll

struct Poll::State {
    uv_poll_t uv{};
    int mask = 0;
    std::function<void(Events)> ready;

    static void on_ready(uv_poll_t* poll, int status, int happened) noexcept;
};

Poll::Poll(Loop& loop, int descriptor, std::function<void(Events)> ready) {
    auto state = std::make_unique<State>();
    state->ready = std::move(ready);
    check(uv_poll_init(&loop.state().uv, &state->uv, descriptor), "cannot watch a descriptor");
    state_ = adopt(std::move(state));
}

// At an error libuv stops watching. But it may have been a passing one (an interface that was down for a
// moment), so the watching goes on until the owner, who learns by reading what is wrong, ends it.
void Poll::State::on_ready(uv_poll_t* poll, int status, int happened) noexcept {
    auto& state = state_of<State>(poll);
    const auto what = status < 0 ? Events{.readable = true, .writable = true}
                                 : Events{.readable = (happened & UV_READABLE) != 0,
                                          .writable = (happened & UV_WRITABLE) != 0};
    static_cast<Loop::State*>(poll->loop->data)->note_event();
    guarded(poll, [&] {
        if (status < 0) check(uv_poll_start(poll, state.mask, on_ready), "cannot watch a descriptor");
        state.ready(what);
    });
}

void Poll::watch(Events events) {
    state_->mask = (events.readable ? UV_READABLE : 0) | (events.writable ? UV_WRITABLE : 0);
    check(state_->mask == 0 ? uv_poll_stop(&state_->uv)
                            : uv_poll_start(&state_->uv, state_->mask, State::on_ready),
          "cannot watch a descriptor");
}

// --- Again

struct Again::State {
    uv_idle_t uv{};
    std::function<void()> go_on;

    static void on_turn(uv_idle_t* idle) noexcept {
        guarded(idle, [idle] { state_of<State>(idle).go_on(); });
    }
};

Again::Again(Loop& loop, std::function<void()> go_on) {
    auto state = std::make_unique<State>();
    state->go_on = std::move(go_on);
    check(uv_idle_init(&loop.state().uv, &state->uv), "cannot make an idle handle");
    state_ = adopt(std::move(state));
}

void Again::activate(bool active) noexcept {
    if (active) {
        uv_idle_start(&state_->uv, &State::on_turn);
    } else {
        uv_idle_stop(&state_->uv);
    }
}

// --- Signal

struct Signal::State {
    uv_signal_t uv{};
    std::function<void()> raised;
};

Signal::Signal(Loop& loop, int number, std::function<void()> raised) {
    auto state = std::make_unique<State>();
    state->raised = std::move(raised);
    check(uv_signal_init(&loop.state().uv, &state->uv), "cannot wait for a signal");
    state_ = adopt(std::move(state));
    const auto on_signal = [](uv_signal_t* signal, int) { guarded(signal, state_of<State>(signal).raised); };
    check(uv_signal_start(&state_->uv, on_signal, number), "cannot wait for a signal");
}

// --- Wakeup

struct Wakeup::State {
    uv_async_t uv{};
    std::function<void()> woken;
};

Wakeup::Wakeup(Loop& loop, std::function<void()> woken) {
    auto state = std::make_unique<State>();
    state->woken = std::move(woken);
    state->uv.data = state.get();
    const auto on_wakeup = [](uv_async_t* async) { guarded(async, state_of<State>(async).woken); };
    check(uv_async_init(&loop.state().uv, &state->uv, on_wakeup), "cannot make a wakeup");
    state_ = adopt(std::move(state));
}

void Wakeup::send() noexcept {
    uv_async_send(&state_->uv);
}

// --- UnixStream

struct UnixStream::State {
    uv_pipe_t uv{};
    Callbacks callbacks;

    [[nodiscard]] uv_stream_t* stream() noexcept { return reinterpret_cast<uv_stream_t*>(&uv); }

    static void on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) noexcept;
};

UnixStream::UnixStream(loop_detail::Handle<State> state) noexcept : state_(std::move(state)) {}

void UnixStream::State::on_read(uv_stream_t* stream, ssize_t size, const uv_buf_t* buffer) noexcept {
    guarded(stream, [&] {
        const auto& callbacks = state_of<State>(stream).callbacks;
        if (size > 0) {
            callbacks.received({buffer->base, static_cast<std::size_t>(size)});
        } else if (size < 0) {
            uv_read_stop(stream);
            if (size == UV_EOF) {
                callbacks.ended();
            } else {
                callbacks.failed();
            }
        }
    });
}

void UnixStream::start(Callbacks callbacks) {
    state_->callbacks = std::move(callbacks);
    const auto give_buffer = [](uv_handle_t* handle, std::size_t, uv_buf_t* buffer) {
        auto& bytes = static_cast<Loop::State*>(handle->loop->data)->read_buffer;
        *buffer = uv_buf_init(bytes.data(), static_cast<unsigned>(bytes.size()));
    };
    check(uv_read_start(state_->stream(), give_buffer, State::on_read), "cannot read from a connection");
}

void UnixStream::write(std::string bytes) {
    struct Write {
        uv_write_t uv{};
        std::string bytes;
    };

    auto* write =
        new Write{.uv = {}, .bytes = std::move(bytes)};  // the write callback's, once uv_write() has taken it
    write->uv.data = write;
    const auto buffer = uv_buf_init(write->bytes.data(), static_cast<unsigned>(write->bytes.size()));
    const auto written = [](uv_write_t* request, int status) {
        auto* stream = request->handle;
        delete static_cast<Write*>(request->data);
        // It has failed before the stream was closed, and is told of only now.
        if (uv_is_closing(reinterpret_cast<uv_handle_t*>(stream)) != 0) return;
        guarded(stream, [&] {
            const auto& callbacks = state_of<State>(stream).callbacks;
            if (status < 0) {
                callbacks.failed();
            } else {
                callbacks.written();
            }
        });
    };
    if (uv_write(&write->uv, state_->stream(), &buffer, 1, written) < 0) {
        delete write;
        state_->callbacks.failed();
    }
}

std::size_t UnixStream::unsent() const noexcept {
    return uv_stream_get_write_queue_size(state_->stream());
}

// --- UnixServer

struct UnixServer::State {
    uv_pipe_t uv{};
    std::function<void(UnixStream)> accepted;
};

namespace {

sockaddr_un address_of(const std::string& path) {
    sockaddr_un address{};
    if (path.empty() || path.size() >= sizeof(address.sun_path)) {
        throw std::runtime_error(fmt::format("cannot listen at '{}': a socket's path has 1 to {} bytes", path,
                                             sizeof(address.sun_path) - 1));
    }
    address.sun_family = AF_UNIX;
    std::copy(path.begin(), path.end(), address.sun_path);
    return address;
}

// The errno of connect(2) to the socket; 0: somebody serves it.
int try_connect(const sockaddr_un& address) {
    const int descriptor = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (descriptor < 0) throw std::system_error(errno, std::generic_category(), "cannot make a Unix socket");
    const int status = connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
    const int error = status == 0 ? 0 : errno;
    close(descriptor);
    return error;
}

// Two daemons that start at the very same moment are not told apart here, but by the underlay's UDP port.
void clear_path(const std::string& path) {
    const auto address = address_of(path);
    struct stat file{};
    if (lstat(path.c_str(), &file) != 0) return;
    if (!S_ISSOCK(file.st_mode)) {
        throw std::runtime_error(
            fmt::format("cannot listen at {}: there is a file that is no socket; "
                        "remove it or choose another path",
                        path));
    }
    if (try_connect(address) != ECONNREFUSED) {
        throw std::runtime_error(
            fmt::format("cannot listen at {}: another process serves this socket; "
                        "stop it or choose another path",
                        path));
    }
    unlink(path.c_str());
}

void make_parent(const std::string& path) {
    const auto parent = std::filesystem::path{path}.parent_path();
    if (parent.empty() || mkdir(parent.c_str(), 0755) == 0 || errno == EEXIST) return;
    throw std::runtime_error(
        fmt::format("cannot make {} for the control socket: {}: make it, or choose another "
                    "path in [node] control",
                    parent.string(), std::generic_category().message(errno)));
}

}  // namespace

UnixServer::UnixServer(Loop& loop, std::string path, mode_t mode, std::function<void(UnixStream)> accepted) {
    clear_path(path);
    make_parent(path);
    // A client that hangs up while it is written to is an error code, not the end of the process.
    static_cast<void>(std::signal(SIGPIPE, SIG_IGN));

    auto state = std::make_unique<State>();
    state->accepted = std::move(accepted);
    check(uv_pipe_init(&loop.state().uv, &state->uv, 0), "cannot make a Unix socket");
    state_ = adopt(std::move(state));
    const auto explain = [&](int status) {
        if (status < 0)
            throw std::runtime_error(fmt::format("cannot listen at {}: {}", path, uv_strerror(status)));
    };
    explain(uv_pipe_bind(&state_->uv, path.c_str()));
    // Before it listens nobody can connect, so nobody slips in while the mode is still the default one.
    if (chmod(path.c_str(), mode) != 0) explain(uv_translate_sys_error(errno));

    const auto on_connection = [](uv_stream_t* server, int status) {
        if (status < 0) return;  // out of descriptors, say: the client sees its connection wait
        guarded(server, [&] {
            auto client = std::make_unique<UnixStream::State>();
            check(uv_pipe_init(server->loop, &client->uv, 0), "cannot accept a connection");
            auto adopted = adopt(std::move(client));
            if (uv_accept(server, adopted->stream()) < 0) return;
            state_of<State>(server).accepted(UnixStream{std::move(adopted)});
        });
    };
    explain(uv_listen(reinterpret_cast<uv_stream_t*>(&state_->uv), 64, on_connection));
}

template struct loop_detail::Close<Timer::State>;
template struct loop_detail::Close<Alarm::State>;
template struct loop_detail::Close<Poll::State>;
template struct loop_detail::Close<Again::State>;
template struct loop_detail::Close<Signal::State>;
template struct loop_detail::Close<Wakeup::State>;
template struct loop_detail::Close<UnixStream::State>;
template struct loop_detail::Close<UnixServer::State>;

}  // namespace weft
