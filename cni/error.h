// What a plugin says when it fails: JSON on stdout and exit status 1 (CNI specification 1.1.0, section 2,
// "Error").
//
//    {"cniVersion": "1.1.0", "code": 7, "msg": "in a line", "details": "what else helps"}
//
// Codes below 100 are the specification's, the others weft's own. A code keeps its meaning.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <nlohmann/json_fwd.hpp>

namespace weft::cni {

enum class Code : unsigned {
    incompatible_version = 1,   // cniVersion, or a verb that it does not have
    unsupported_field = 2,      // a key of the network configuration that weft would have to ignore
    invalid_environment = 4,    // CNI_*: missing or impossible
    io_failure = 5,             // the configuration did not come, or never ended
    decoding_failure = 6,       // it is not JSON
    invalid_configuration = 7,  // it is JSON, but not a network that weft can make
    try_again = 11,             // weftd does not answer or is busy; an IPAM plugin did not end in time
    not_available = 50,         // STATUS: an ADD would fail
    limited = 51,               // STATUS: and the containers that are there have lost their gateway
    daemon_refused = 100,       // weftd answered that it cannot; the message is its own
    namespace_failed = 101,     // addresses or routes in the container's namespace
    no_ipam = 102,              // the IPAM plugin is not in CNI_PATH
    ipam_nonsense = 103,        // it fails without a reason, or its answer cannot be understood
    not_as_expected = 104,      // CHECK found something else than prevResult promises
    internal = 199,             // a mistake in weft
};

class Error : public std::runtime_error {
  public:
    Error(Code code, const std::string& message, std::string details = {})
        : Error(static_cast<unsigned>(code), message, std::move(details)) {}

    // A delegated plugin's.
    Error(unsigned code, const std::string& message, std::string details)
        : std::runtime_error(message), code_(code), details_(std::move(details)) {}

    [[nodiscard]] unsigned code() const noexcept { return code_; }

    [[nodiscard]] bool is(Code code) const noexcept { return code_ == static_cast<unsigned>(code); }

    [[nodiscard]] const std::string& details() const noexcept { return details_; }

    // A further sentence for who has to find out.
    void add(std::string_view detail);

    [[nodiscard]] nlohmann::json to_json(std::string_view version) const;

  private:
    unsigned code_;
    std::string details_;
};

}  // namespace weft::cni
