// The other end of the control socket: one call at a time, waiting for its answer, and what the daemon tells
// unasked after a call that subscribes to it. What goes wrong is a
// std::runtime_error in words for the person at the terminal, with the cure where there is one.
#pragma once

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace weft {

inline constexpr std::string_view control_folder = "/run/weft";

// Where to find the daemon if nobody says: `environment` (of WEFT_CONTROL) if it is set and not empty, else
// the only *.sock in `folder`.
std::string default_control_path(const char* environment,
                                 const std::string& folder = std::string{control_folder});

// The daemon's answer if it is an error; anything else that Client throws means that there was no answer.
class RefusedCall : public std::runtime_error {
  public:
    RefusedCall(int code, const std::string& message) : std::runtime_error(message), code_(code) {}

    [[nodiscard]] int code() const noexcept { return code_; }  // JSON-RPC's; cli/rpc.h has weftd's

  private:
    int code_;
};

class Client {
  public:
    explicit Client(std::string path);
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // From now on no call waits beyond `until`.
    void give_up(std::chrono::steady_clock::time_point until) noexcept { until_ = until; }

    // The process id of whoever serves the socket, as it is seen from here.
    [[nodiscard]] int peer() const;

    // The method's result. Waits for ten seconds at most for each part of the answer.
    nlohmann::json call(std::string_view method, const nlohmann::json& params);

    // The `params` of the next notification, which may be long in coming. The end of the daemon is an error.
    nlohmann::json next_notification();

    // To wait for it with something else: readable, or something has come already that nobody asked for yet.
    [[nodiscard]] int descriptor() const noexcept { return descriptor_; }

    [[nodiscard]] bool has_heard_more() const noexcept { return received_.find('\n') != std::string::npos; }

  private:
    void send(std::string_view bytes) const;
    void limit_patience(int option) const;
    std::string receive_line();

    std::string path_;
    int descriptor_ = -1;
    std::string received_;
    unsigned last_id_ = 0;
    std::optional<std::chrono::steady_clock::time_point> until_;
};

}  // namespace weft
