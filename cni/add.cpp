#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cni/arguments.h"
#include "cni/config.h"
#include "cni/daemon.h"
#include "cni/error.h"
#include "cni/ipam.h"
#include "cni/pending.h"
#include "cni/port_name.h"
#include "cni/result.h"
#include "cni/sandbox.h"
#include "cni/verbs.h"

namespace weft::cni {

using nlohmann::json;

namespace {

// What is to be undone, last first, unless all has gone well.
class Undo {
  public:
    void push(std::string what, std::function<void()> step) {
        steps_.emplace_back(std::move(what), std::move(step));
    }

    // What cannot be undone either is told in `failure`; the runtime's DEL tries again.
    void run(Error& failure) {
        for (; !steps_.empty(); steps_.pop_back()) {
            try {
                steps_.back().second();
            } catch (const std::exception& another) {
                failure.add(fmt::format("then {} failed too: {}", steps_.back().first, another.what()));
            }
        }
    }

  private:
    std::vector<std::pair<std::string, std::function<void()>>> steps_;
};

class Addition {
  public:
    explicit Addition(const Request& request)
        : request_(request),
          config_(read_config(request)),
          wishes_(read_wishes(request)),
          daemon_(config_.control),
          ipam_(make_ipam(request, config_, daemon_)) {}

    json run() {
        refuse_what_cannot_be();
        if (!config_.host_interface.empty()) host_ = find_host_interface(config_.host_interface);
        settle_pending(config_, daemon_);
        Undo undo;
        try {
            if (ipam_->needs_interface()) {
                make_port(undo);
                allocate(undo);
                add_addresses(request_.netns, request_.ifname, network_.addresses);
            } else {
                allocate(undo);
                make_port(undo);
            }
            network_.routes = add_routes(request_.netns, request_.ifname, network_);
        } catch (Error& failure) {
            undo.run(failure);
            throw;
        }
        if (!config_.dns.empty()) network_.dns = config_.dns;
        const auto mtu = port_.value("mtu", json{});
        return to_result({.ifname = request_.ifname,
                          .netns = request_.netns,
                          .mac = port_.at("mac").get<std::string>(),
                          .mtu = mtu.is_number_unsigned() ? mtu.get<unsigned>() : 0,
                          .network = network_,
                          .host = host_},
                         request_.version, previous());
    }

  private:
    [[nodiscard]] json previous() const { return request_.configuration.value("prevResult", json{}); }

    void refuse_what_cannot_be() const {
        switch (look_at_netns(request_.netns)) {
            case NetnsState::there:
                break;
            case NetnsState::gone:
                throw Error(Code::invalid_environment,
                            fmt::format("CNI_NETNS {} is no network namespace", request_.netns));
            case NetnsState::our_own:
                throw Error(Code::invalid_environment,
                            fmt::format("CNI_NETNS {} is the host's network namespace", request_.netns),
                            "its routes would be changed");
        }
        const auto before = previous();
        if (!before.is_null() && !before.is_object())
            throw Error(Code::decoding_failure, "prevResult is no object: " + before.dump());
        if (find_interface(before, request_.ifname)) {
            throw Error(Code::invalid_configuration,
                        fmt::format("a plugin before weft has made {} already", request_.ifname),
                        "weft makes the interface itself: put it first in the chain");
        }
    }

    // If the port is there from an ADD before, the addresses are its own, and stay.
    void allocate(Undo& undo) {
        const auto release = [this] {
            if (made_port_ || daemon_.port(port_name(request_)).is_null()) ipam_->release();
        };
        try {
            network_ = ipam_->allocate(wishes_);
        } catch (Error& failure) {
            // The specification asks for it: who knows how far the plugin has come.
            Undo halfway;
            if (!config_.ipam.plugin.empty() && !failure.is(Code::no_ipam))
                halfway.push("releasing", release);
            halfway.run(failure);
            throw;
        }
        undo.push("releasing the addresses", release);
    }

    void make_port(Undo& undo) {
        const auto name = port_name(request_);
        json port = {{"name", name},
                     {"type", "veth"},
                     {"netns", request_.netns},
                     {"device", request_.ifname},
                     {"bridge", config_.bridge},
                     {"address", json::array()},
                     {"labels", wishes_.labels}};
        for (const auto& [address, gateway] : network_.addresses)
            port["address"].push_back(address.to_string());
        if (wishes_.mac) port["mac"] = wishes_.mac->to_string();
        if (config_.mtu) port["mtu"] = *config_.mtu;
        if (config_.vlan) port["vlan"] = *config_.vlan;
        if (config_.isolated) port["isolated"] = *config_.isolated;
        port["spoof_check"] = config_.spoof_check;
        port_ = daemon_.add_port(port);
        made_port_ = true;
        undo.push("removing the port", [this, name] { daemon_.remove_port(name); });
    }

    const Request& request_;
    NetworkConfig config_;
    Wishes wishes_;
    Daemon daemon_;
    std::unique_ptr<Ipam> ipam_;
    Allocation network_;
    std::optional<Attachment::HostInterface> host_;
    json port_;
    bool made_port_ = false;
};

}  // namespace

json add(const Request& request) {
    return Addition{request}.run();
}

}  // namespace weft::cni
