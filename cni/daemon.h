// weftd, as the plugin asks it: the methods of its control socket that make ports, leases and say what there
// is. All calls of a Daemon together take ten seconds at most; it connects with the first.
//
// A daemon that cannot be reached, does not answer, or is busy is an Error with code 11 (it passes); one that
// has answered that it cannot is an Error with code 100, or 7 if it did not like what it was asked.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "cli/client.h"

namespace weft::cni {

class Daemon {
  public:
    static constexpr std::chrono::seconds patience{10};

    // `path` of its socket; empty: as the command `weft` finds it.
    explicit Daemon(std::string path) : path_(std::move(path)) {}

    nlohmann::json add_port(const nlohmann::json& port);
    bool remove_port(const std::string& name);

    // The runtime ports.
    nlohmann::json ports();

    // One of them; null if there is none of the name.
    nlohmann::json port(const std::string& name);

    // {"address": [..], "gateway": [..]}
    nlohmann::json allocate(const nlohmann::json& wanted);
    bool release(const std::string& owner);
    nlohmann::json pools();

  private:
    nlohmann::json call(std::string_view method, const nlohmann::json& params);

    // The list `name` in an answer.
    nlohmann::json list(std::string_view method, const char* name);

    std::string path_;
    std::optional<Client> client_;
    std::chrono::steady_clock::duration left_ = patience;
};

}  // namespace weft::cni
