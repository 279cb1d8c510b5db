// What a runtime asks of the plugin: the CNI_* variables and the network configuration on stdin (CNI
// specification 1.1.0, section 2, "Parameters"). What each verb needs is demanded here, all that is missing
// at once:
//
//             container, ifname   netns      path       configuration's version
//   ADD       yes                 yes                   0.3.1
//   DEL       yes                                       0.3.1
//   CHECK     yes                 yes                   0.4.0
//   GC                                       yes        1.1.0
//   STATUS                                              1.1.0
//   VERSION                                             any, or none
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "cni/version.h"

namespace weft::cni {

enum class Verb { add, del, check, gc, status, version };

// A variable of the environment: null if it is not set.
using Environment = std::function<const char*(const char* name)>;

struct Request {
    Verb verb = Verb::version;
    std::string container;
    std::string netns;  // a path; empty if the runtime has none any more
    std::string ifname;
    std::string arguments;          // CNI_ARGS
    std::vector<std::string> path;  // folders of CNI_PATH
    Version version = newest;
    std::string network;  // "name" of the configuration
    nlohmann::json configuration;
    std::string text;  // the same, as it came, for delegated plugins
};

// The verb alone, so that a mistake in it is told without waiting for stdin.
Verb read_verb(const Environment& environment);

// Throws Error with code 1, 4, 6 or 7.
Request read_request(Verb verb, const Environment& environment, std::string text);

// Names of networks and containers: a letter or digit, then letters, digits, '_', '.', '-'.
bool is_identifier(std::string_view text) noexcept;

bool is_interface_name(std::string_view text) noexcept;

// All of a descriptor. Throws Error with code 5 if its end does not come within ten seconds or 16 MiB.
std::string read_all(int descriptor);

}  // namespace weft::cni
