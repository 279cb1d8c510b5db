// The keeper's side of keeper.h.
#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <set>
#include <stdexcept>

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fmt/format.h>

#include "cli/keeper.h"
#include "cli/keeper_messages.h"
#include "cli/masquerade.h"
#include "cli/privileges.h"
#include "cli/successor.h"
#include "vswitch/netlink.h"
#include "vswitch/netns.h"

namespace weft {

namespace {

using nlohmann::json;

// What it takes to make devices and routes, in namespaces, and to attach BPF programs.
constexpr std::uint32_t needed = 1U << CAP_NET_ADMIN | 1U << CAP_NET_RAW | 1U << CAP_SYS_ADMIN |
                                 1U << CAP_SYS_PTRACE | 1U << CAP_DAC_OVERRIDE;

constexpr std::uint32_t to_become_a_user = 1U << CAP_SETUID | 1U << CAP_SETGID;

class Service {
  public:
    explicit Service(Descriptor socket) : channel_(std::move(socket)) {}

    ~Service() {
        for (const std::string& host_end : kept_) remove_quietly(host_end);
    }

    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    void run() {
        while (auto request = channel_.receive()) {
            try {
                answer(*request);
            } catch (const std::exception& error) {
                channel_.send({{"error", error.what()}});
            }
        }
        if (succeeds_) successor_.become(std::move(inherited_));
    }

  private:
    void answer(ChannelMessage& request) {
        const json& body = request.body;
        const auto what = body.at("do").get<std::string>();
        if (what == "begin") return begin(body);
        if (what == "use") return use(std::move(request.descriptors));
        if (what == "make") return make(port_order(body.at("order")));
        if (what == "adopt") return adopt(standing_port(body.at("standing")));
        if (what == "leave") return leave();
        if (what == "try_successor") return try_successor();
        if (what == "bequeath") return bequeath(body.at("names"), std::move(request.descriptors));
        if (what == "succeed") return succeed();
        if (what == "remove") return remove(body.at("host_end").get<std::string>());
        if (what == "set_mtu") return set_mtu(body);
        if (what == "route") return route(body);
        if (what == "masquerade")
            return channel_.send({{"warnings", masquerade_.sync(nat_rules(body.at("rules")))}});
        if (what == "open_key") return open_key(body.at("path").get<std::string>());
        if (what == "read_config") return channel_.send({{"text", text_of_config()}});
        if (what == "read_start_config") return channel_.send({{"text", start_config_}});
        throw std::runtime_error("the keeper of devices does not know how to " + what);
    }

    void done() const { channel_.send(json::object()); }

    // Only once, before anything has come from the network.
    void begin(const json& body) {
        if (!config_.empty()) throw std::runtime_error("the keeper has begun already");
        config_ = body.at("config").get<std::string>();
        auto options = body.at("options").get<std::vector<std::string>>();
        options.insert(options.begin(), {"--config", config_});
        successor_ = SuccessorProgram(body.at("program").get<std::string>(), std::move(options));
        start_config_ = text_of_config();
        done();
    }

    void use(std::vector<Descriptor> programs) {
        programs_ = std::move(programs);
        done();
    }

    [[nodiscard]] std::optional<HookPrograms> programs() const {
        if (programs_.empty()) return std::nullopt;
        const auto number = [this](std::size_t index) { return programs_.at(index).get(); };
        return HookPrograms{.veth_ingress = number(0),
                            .patch_ingress = number(1),
                            .patch_egress = number(2),
                            .tap_egress = number(3),
                            .tun_egress = number(4),
                            .patches = number(5),
                            .flows = number(6),
                            .actions = number(7)};
    }

    void make(const PortOrder& order) { hand_over(order, make_port(order, programs())); }

    void adopt(const StandingPort& standing) { hand_over(standing.order, adopt_port(standing, programs())); }

    void leave() {
        kept_.clear();
        done();
    }

    void try_successor() const {
        successor_.try_out();
        done();
    }

    void bequeath(const std::vector<std::string>& names, std::vector<Descriptor> descriptors) {
        for (std::size_t i = 0; i < names.size(); ++i)
            inherited_.emplace_back(names[i], std::move(descriptors.at(i)));
        done();
    }

    void succeed() {
        succeeds_ = true;
        done();
    }

    void hand_over(const PortOrder& order, MadePort made) {
        if (made.is_veth && !order.keep) kept_.insert(order.host_end);
        std::vector<int> descriptors;
        const json body = to_json(made, descriptors);
        channel_.send(body, descriptors);
        if (made.hooks) std::ranges::for_each(made.hooks->hooks, &Hook::leave);
    }

    void remove(const std::string& host_end) {
        if (!host_end.starts_with(host_end_prefix))
            throw std::runtime_error(host_end + " is no veth of weft's");
        kept_.erase(host_end);
        Netlink{}.remove_veth(host_end);
        done();
    }

    static void remove_quietly(const std::string& host_end) noexcept {
        try {
            Netlink{}.remove_veth(host_end);
        } catch (const std::exception& error) {
            fmt::print(stderr, "weftd {}: {}\n", keeper_option, error.what());
        }
    }

    void set_mtu(const json& body) const {
        in_namespace(optional_text(body.at("netns")), [&] {
            Netlink{}.set_mtu(body.at("device").get<std::string>(), body.at("mtu").get<std::uint16_t>());
        });
        done();
    }

    void route(const json& body) const {
        const auto device = body.at("device").get<std::string>();
        std::set<Prefix> refused;
        in_namespace(optional_text(body.at("netns")), [&] {
            Netlink netlink;
            for (const Prefix& to : prefixes(body.at("remove"))) netlink.remove_route(to, device);
            for (const Prefix& to : prefixes(body.at("add"))) {
                if (!netlink.add_route(to, device)) refused.insert(to);
            }
        });
        channel_.send({{"refused", to_json(refused)}});
    }

    // Keys are in the folder of the configuration, or below it.
    void open_key(const std::string& path) const {
        const auto folder = std::filesystem::canonical(config_).parent_path();
        const auto real = std::filesystem::weakly_canonical(path);
        const auto [end, rest] = std::ranges::mismatch(folder, real);
        if (end != folder.end()) {
            throw std::runtime_error(
                fmt::format("{} is not in {}, the folder of the node's configuration: while weftd runs it "
                            "reads keys from there alone",
                            path, folder.string()));
        }
        const Descriptor file(::open(real.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
        if (!file) throw_system_error("cannot open " + path, errno);
        channel_.send(json::object(), {file.get()});
    }

    [[nodiscard]] std::string text_of_config() const {
        std::ifstream file(config_, std::ios::binary);
        if (!file) throw_system_error("cannot read " + config_, errno);
        return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    }

    DescriptorChannel channel_;
    std::string config_;
    std::string start_config_;  // what it said
    std::vector<Descriptor> programs_;
    Masquerade masquerade_;
    std::set<std::string> kept_;  // host ends, to be removed at the end
    SuccessorProgram successor_;
    std::vector<std::pair<std::string, Descriptor>> inherited_;  // by it
    bool succeeds_ = false;
};

}  // namespace

int run_keeper() {
    std::signal(SIGTERM, SIG_IGN);
    std::signal(SIGINT, SIG_IGN);
    std::signal(SIGHUP, SIG_IGN);
    try {
        ::prctl(PR_SET_NAME, "weft-keeper", 0, 0, 0);
        keep_capabilities(::geteuid() == 0 ? needed | to_become_a_user : needed);
        Service service(Descriptor(STDIN_FILENO));
        service.run();
    } catch (const std::exception& error) {
        fmt::print(stderr, "weftd {}: {}\n", keeper_option, error.what());
        return 1;
    }
    return 0;
}

}  // namespace weft
