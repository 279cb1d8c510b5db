// The other end of the control socket: one call at a time, waiting for its answer, and what the daemon tells
// unasked after a call that subscribes to it. What goes wrong is a
// std::runtime_error in words for the person at the terminal, with the cure where there is one.
#pragma once

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace weft {

inline constexpr std::string_view control_folder = "/run/weft";

// Where to find the daemon if nobody says: `environment` (of WEFT_CONTROL) if it is set and not empty, else
// the only *.sock in `folder`.
std::string default_control_path(const char* environment,
                                 const std::string& folder = std::string{control_folder});

class Client {
  public:
    explicit Client(std::string path);
    ~Client();
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    // The method's result. Waits for ten seconds at most for each part of the answer.
    nlohmann::json call(std::string_view method, const nlohmann::json& params);

    // The `params` of the next notification, which may be long in coming. The end of the daemon is an error.
    nlohmann::json next_notification();

  private:
    void send(std::string_view bytes) const;
    std::string receive_line();

    std::string path_;
    int descriptor_ = -1;
    std::string received_;
    unsigned last_id_ = 0;
};

}  // namespace weft
