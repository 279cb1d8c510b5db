// The event loop: libuv behind types whose lifetime is that of the object, so that nobody else needs to know
// it.
//
// Lifetime   A Timer, Alarm, Poll, Signal, Wakeup, UnixServer or UnixStream is live from construction to
// destruction and may be
//            destroyed at any time, also by its own callback: no callback comes after the destructor, and the
//            memory that libuv still holds (with the callback and what that captured) goes in a later turn of
//            the loop. Every handle must be gone before its Loop, whose destructor aborts otherwise.
// Errors     Constructors throw std::runtime_error. What a callback throws does not cross libuv's C frames:
// the loop
//            stops, and run() throws the first such exception.
// Threads    A loop and its handles belong to one thread. The exception is Wakeup::send().
// Time       Loop::now() is read once a wakeup and has milliseconds; a timer never fires before its time. An
//            Alarm has nanoseconds.
#pragma once

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/types.h>

#include "vswitch/id.h"
#include "vswitch/system_call.h"

namespace weft {

class Loop {
  public:
    Loop();
    ~Loop();
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;

    // Until stop(), or until there is nothing left to wait for.
    void run();

    // After a descriptor was ready, look again and again for so long before going to sleep: the next packet
    // then finds the thread awake. Timers and wakeups are served all the while. Zero: off.
    void busy_poll(Duration after_event) noexcept;

    // Makes run() return after the callbacks of this turn; called before run(), makes that return at once.
    void stop() noexcept;

    // CLOCK_MONOTONIC when this turn of the loop began: the same scale in all threads.
    [[nodiscard]] Instant now() const noexcept;

    struct State;

    [[nodiscard]] State& state() noexcept { return *state_; }  // for the handles

  private:
    std::unique_ptr<State> state_;
};

namespace loop_detail {

// Gives a handle's state to uv_close(); the memory is freed by the close callback.
template <class State>
struct Close {
    void operator()(State* state) const noexcept;
};

template <class State>
using Handle = std::unique_ptr<State, Close<State>>;

}  // namespace loop_detail

class Timer {
  public:
    Timer(Loop& loop, std::function<void()> fired);

    // Fires after `after`, then every `repeat` if that is not zero. Replaces what was set before.
    void start(Duration after, Duration repeat = Duration::zero());
    void stop() noexcept;

    [[nodiscard]] bool active() const noexcept;

    struct State;

  private:
    loop_detail::Handle<State> state_;
};

// Once, at a point of CLOCK_MONOTONIC, as precisely as the kernel's timers are (vswitch/precise_timer.h).
class Alarm {
  public:
    Alarm(Loop& loop, std::function<void()> fired);

    // Replaces what was set before. A point that has passed is one in the next turn of the loop;
    // Instant::max() never comes.
    void set(Instant at) noexcept;

    struct State;

  private:
    loop_detail::Handle<State> state_;
};

// Watches a descriptor, which is made non-blocking, stays the caller's and must outlive this object. A call
// is a hint: reading may still find nothing (EAGAIN). An error of the descriptor is reported as readable and
// writable, for read(2) to say what is wrong, again and again until it is taken by reading or watch({}).
class Poll {
  public:
    struct Events {
        bool readable = false;
        bool writable = false;
    };

    Poll(Loop& loop, int descriptor, std::function<void(Events)> ready);

    // What to wait for from now on; nothing at all: rest. Starts at rest.
    void watch(Events events);

    struct State;

  private:
    loop_detail::Handle<State> state_;
};

// While it is active the loop does not sleep, and calls back once a turn.
class Again {
  public:
    Again(Loop& loop, std::function<void()> go_on);

    void activate(bool active) noexcept;

    struct State;

  private:
    loop_detail::Handle<State> state_;
};

// A Unix signal, as a callback on the loop.
class Signal {
  public:
    Signal(Loop& loop, int number, std::function<void()> raised);

    struct State;

  private:
    loop_detail::Handle<State> state_;
};

// Calls back on the loop's thread after send() in any thread. Several sends before the call are one.
class Wakeup {
  public:
    Wakeup(Loop& loop, std::function<void()> woken);

    // From any thread, as long as this object lives.
    void send() noexcept;

    struct State;

  private:
    loop_detail::Handle<State> state_;
};

// A connection of a UnixServer.
class UnixStream {
  public:
    struct Callbacks {
        std::function<void(std::string_view bytes)> received;  // valid during the call
        std::function<void()> ended;    // the other side will send no more; it may still read
        std::function<void()> failed;   // nothing can be sent or received any more; may come out of write()
        std::function<void()> written;  // another write() has gone out
    };

    // From now on calls back.
    void start(Callbacks callbacks);

    // Queued without bound: ask unsent() before.
    void write(std::string bytes);

    // Bytes that the other side has not taken yet.
    [[nodiscard]] std::size_t unsent() const noexcept;

    struct State;

  private:
    friend class UnixServer;

    explicit UnixStream(loop_detail::Handle<State> state) noexcept;

    loop_detail::Handle<State> state_;
};

// Listens on a Unix socket at `path`, whose missing parent folder is made. A socket left behind by a process
// that is gone is replaced; one that is served by somebody, or a file that is no socket, is left alone and
// refused. The socket is removed with this object.
class UnixServer {
  public:
    UnixServer(Loop& loop, std::string path, mode_t mode, std::function<void(UnixStream)> accepted);

    struct State;

  private:
    loop_detail::Handle<State> state_;
};

// libuv's, for the control socket's streams as well, whose path is removed at the end.
inline constexpr std::array loop_system_calls{
    SystemCall{SYS_epoll_pwait},
    SystemCall{sys_epoll_wait},
    SystemCall{SYS_epoll_ctl},
    SystemCall{SYS_read},
    SystemCall{SYS_write},
    SystemCall{SYS_readv},
    SystemCall{SYS_writev},
    SystemCall{SYS_recvmsg},
    SystemCall{SYS_sendmsg},
    SystemCall{SYS_accept4},
    SystemCall{SYS_shutdown},
    SystemCall{SYS_close},
    SystemCall{SYS_clock_gettime},
    SystemCall{SYS_rt_sigaction},
    SystemCall{SYS_rt_sigprocmask},
    SystemCall{SYS_sched_yield},
    SystemCall{sys_unlink},
    SystemCall{SYS_ioctl, 1, FIONBIO},
    SystemCall{SYS_fcntl, 1, F_GETFL},
    SystemCall{SYS_fcntl, 1, F_SETFL},
    SystemCall{SYS_fcntl, 1, F_SETFD},
};

}  // namespace weft
