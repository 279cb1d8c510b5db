#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cni/config.h"
#include "cni/daemon.h"
#include "cni/error.h"
#include "cni/ipam.h"
#include "cni/pending.h"
#include "cni/verbs.h"

namespace weft::cni {

using nlohmann::json;

namespace {

// A list that is not there must not be taken for an empty one: everything would go. Null is what Go makes of
// an empty one.
std::vector<Key> valid_of(const json& configuration) {
    // The first is the specification's; the second stood in a draft, and some runtimes say both.
    for (const char* name : {"cni.dev/valid-attachments", "cni.dev/attachments"}) {
        const auto found = configuration.find(name);
        if (found == configuration.end()) continue;
        std::vector<Key> valid;
        if (found->is_null()) return valid;
        if (!found->is_array()) throw Error(Code::invalid_configuration, fmt::format("{} is no list", name));
        for (const auto& entry : *found) {
            const auto text = [&](const char* key) {
                const auto value = entry.is_object() ? entry.value(key, json{}) : json{};
                if (value.is_string()) return value.get<std::string>();
                throw Error(Code::invalid_configuration,
                            fmt::format("{}: {} has no {}", name, entry.dump(), key));
            };
            valid.emplace_back(text("containerID"), text("ifname"));
        }
        return valid;
    }
    throw Error(Code::invalid_configuration,
                "GC needs cni.dev/valid-attachments, which the configuration does not have");
}

// Of this network; nothing: the port is somebody else's.
std::optional<Key> key_of(const json& port, const std::string& network) {
    const auto labels = port.is_object() ? port.value("labels", json::object()) : json::object();
    const auto label = [&](const char* name) {
        return labels.is_object() ? labels.value(name, json{}) : json{};
    };
    if (label("cni.network") != network || !label("cni.container").is_string() ||
        !label("cni.ifname").is_string())
        return std::nullopt;
    return Key{label("cni.container").get<std::string>(), label("cni.ifname").get<std::string>()};
}

class Failures {
  public:
    template <class Work>
    void keep(Work&& work) {
        try {
            work();
        } catch (const Error& failure) {
            if (!first_) {
                first_ = failure;
            } else {
                first_->add(failure.what());
            }
        }
    }

    void rethrow() const {
        if (first_) throw Error{*first_};
    }

  private:
    std::optional<Error> first_;
};

}  // namespace

json collect_garbage(const Request& request) {
    const auto config = read_config_for_removal(request);
    const auto valid = valid_of(request.configuration);
    Daemon daemon{config.control};
    settle_pending(config, daemon);
    Failures failures;
    std::vector<Key> removed;
    failures.keep([&] {
        for (const auto& port : daemon.ports()) {
            const auto key = key_of(port, request.network);
            if (!key || std::ranges::find(valid, *key) != valid.end()) continue;
            failures.keep([&] {
                daemon.remove_port(port.value("name", ""));
                removed.push_back(*key);
            });
        }
    });
    failures.keep([&] { make_ipam(request, config, daemon)->collect(valid, removed); });
    failures.rethrow();
    return {};
}

}  // namespace weft::cni
