// The command `weft`: asks a running daemon, checks a configuration, makes keys.
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/client.h"
#include "cli/keys.h"
#include "cli/render.h"
#include "cli/version.h"
#include "config/diff.h"
#include "config/load.h"
#include "vswitch/system.h"

namespace weft {

namespace {

constexpr int failed = 1;
constexpr int wrong_usage = 2;

struct Query {
    const char* name;
    const char* summary;
    const char* details;
};

constexpr std::array queries = {
    Query{
        "status", "the node at a glance",
        "Prints the node's name, uptime, public key and UDP endpoints, how many peers are up, how large its\n"
        "tables are, how many packet buffers are free, and warnings.\n"},
    Query{
        "ports", "ports and their traffic",
        "Prints a line for each port: devices (tap, tun, veth, packet), tunnels to peers, and the router's\n"
        "legs on bridges. RX is what came into weft through the port and TX what left by it, in bytes;\n"
        "DROPPED counts packets, for reasons that `weft drops` tells.\n"},
    Query{"fdb", "stations that the bridges have learned",
          "Prints the forwarding database: a line for each MAC address, with the port that it was last seen "
          "on and\n"
          "how long ago that was.\n"},
    Query{"routes", "the routing table and the neighbors",
          "Prints the routes, of which the longest prefix wins, and below them the neighbors that the "
          "gateways on\n"
          "the bridges have resolved (ARP, neighbor discovery).\n"},
    Query{"peers", "the other nodes and the sessions with them",
          "Prints a line for each peer: whether packets can flow (STATE), where it is on the underlay "
          "(ENDPOINT),\n"
          "which bridges and prefixes it stands for (REACHES), how long ago the last handshake was "
          "(HANDSHAKE) and\n"
          "something authentic was received (HEARD), and the traffic with it in bytes.\n"},
    Query{"ipam", "addresses that the node has given",
          "Prints a line for each address that was given out of a pool (the networks of a bridge's gateways) "
          "with\n"
          "whom it was given to, and below them how many addresses of each network are used: by leases, and "
          "by\n"
          "ports that have one by configuration or from elsewhere.\n"},
    Query{"drops", "what was not delivered, and why",
          "Prints a line for each reason that has occurred at a port, a peer or the underlay. Every packet "
          "that weft\n"
          "does not deliver is counted under exactly one reason. Counts are packets since the start.\n"},
};

constexpr auto footer =
    "Examples:\n"
    "  weft status                            of the node whose socket is the only one in /run/weft\n"
    "  weft --control /run/weft/b.sock peers\n"
    "  weft --json ports | jq '.ports[] | {port, rx_bytes}'\n"
    "  weft monitor                           until Ctrl-C\n"
    "  weft flows --limit 10\n"
    "  weft rekey site-b\n"
    "  weft deny add 203.0.113.0/24\n"
    "  weft check /etc/weft/site-a.toml\n"
    "  weft apply --confirm 60s /etc/weft/site-a.toml; weft confirm\n"
    "  weft lab up office.toml; weft lab exec client ping server\n"
    "  (umask 077; weft genkey > site-a.key); weft pubkey < site-a.key\n"
    "\n"
    "Units: tables use binary multiples (1 MiB = 1048576 bytes); JSON has plain numbers with the unit in "
    "the\n"
    "key's name, as in rx_bytes and age_s.\n"
    "\n"
    "Exit status: 0 it worked, 1 it failed, 2 wrong usage or configuration.\n";

constexpr auto monitor_footer =
    "Prints a line for each event, with the local time, until it is interrupted: a peer is up, down, silent "
    "or "
    "heard\n"
    "again, has new keys, has moved to another endpoint, or is found by its name at other addresses; a "
    "handshake "
    "has\n"
    "failed; a port has lost its device. With --json each event is an object on a line of its own: time_s "
    "(since 1970,\n"
    "UTC), event, peer, description, and what belongs to the event. Exits with 1 when the daemon ends.\n";

constexpr auto rekey_footer =
    "Starts a handshake with the peer at once, or with every peer that has a session, as it would happen by\n"
    "itself after two minutes. Traffic goes on with the old keys until the new ones are agreed on; then the "
    "old\n"
    "ones are wiped, within seconds. weft peers shows the new handshake's age. Keys set by hand are not\n"
    "renewed. What this does not change is the node's private key: weft genkey makes one.\n";

constexpr auto flows_footer =
    "Prints a line for each direction of a flow: TCP and UDP by addresses and ports, pings by their "
    "identifier. "
    "The\n"
    "busiest come first, by the rate (RATE) of the last seconds. A flow is new, established once both "
    "directions "
    "were\n"
    "seen and TCP's handshake is over, or closing after FIN or RST. PACKETS counts a super-frame as one, as "
    "weft "
    "ports\n"
    "does. A flow that is idle for a minute is forgotten; when the table is full, the quietest give way.\n"
    "  weft flows --limit 10\n"
    "  watch -n 1 weft flows\n";

constexpr auto deny_footer =
    "Datagrams from an outer source that the list has are dropped before anything else is done with them: "
    "no\n"
    "key is looked up, no handshake is answered. It is for floods that come from somewhere. Sources can be\n"
    "forged: whoever sends in the name of an address has its owner denied.\n"
    "\n"
    "  weft deny add 203.0.113.0/24     from now on, in all workers\n"
    "  weft deny add 2001:db8::7        one address\n"
    "  weft deny del 203.0.113.0/24     exactly this prefix; what lies within it, or around it, stays\n"
    "  weft deny show --json\n"
    "\n"
    "Where the kernel can, an XDP program at the uplinks drops them before they are packets (PATH kernel, "
    "and\n"
    "weft status); only what is for weft: whoever is denied still reaches this machine's ssh.\n"
    "\n"
    "Prefixes may lie within one another; the longest one that has a source counts its datagrams, and weft\n"
    "drops counts them all as 'denied'. A peer that is in it is shut out too, and back a few seconds after "
    "it\n"
    "is allowed again. Changes hold until weftd ends: what is to last stands in the configuration, as\n"
    "[underlay] deny = [\"203.0.113.0/24\"].\n";

constexpr auto deny_change_footer =
    "PREFIX is an IPv4 or IPv6 prefix without host bits, as in 203.0.113.0/24, or a single address. What is\n"
    "wrong with it, or with the list, is told, and exits with 1.\n";

constexpr auto deny_show_footer =
    "Prints a line for each prefix, with the datagrams that were dropped because of it and their size "
    "(UDP's\n"
    "payload) since it was added, and PATH: who drops them first, the kernel or weft.\n";

constexpr auto apply_footer =
    "Reads FILE and brings the running node from its configuration to this one. Only what differs is "
    "touched: "
    "ports,\n"
    "peers and bridges that are equal in both lose no packet, no session and no station; VLANs, a peer's "
    "bridges and\n"
    "prefixes, a bridge's VNI, gateway and ageing change in place. All is applied, or nothing. Keys are read "
    "from the\n"
    "folder of the file that weftd was started by. [node], [underlay] (but for deny) and [fastpath] take a "
    "restart.\n"
    "\n"
    "  weft apply --dry-run /etc/weft/site-a.toml      what would be done\n"
    "  weft apply --confirm 60s /etc/weft/site-a.toml  and weft confirm, or in 60 seconds all is as before\n"
    "\n"
    "kill -HUP (systemctl reload) applies the file that weftd was started by. Nothing is written: the next "
    "start\n"
    "reads that file again.\n";

constexpr auto port_footer =
    "Adds a port to the running node, and removes it again: a veth pair with one end in a network namespace, "
    "as a\n"
    "container's. It is kept in the node's state file: it comes back when weftd starts again, and its pair "
    "outlives\n"
    "weftd, so that whoever lives in the namespace keeps interface, MAC, addresses and routes. What the "
    "configuration\n"
    "file has is changed there, with weft apply.\n"
    "\n"
    "  weft port add c1 --bridge pods --netns /run/netns/c1 --device eth0 --address 10.1.0.5/24\n"
    "  weft port del c1\n";

constexpr auto bridge_footer =
    "Adds a bridge to the running node, and removes it again. It is kept in the node's state file.\n"
    "\n"
    "  weft bridge add pods --vni 100 --gateway 10.1.0.1/24\n"
    "  weft bridge del pods\n";

constexpr auto upgrade_footer =
    "Replaces the running weftd by the program that is installed now, with the same command line: the next\n"
    "process takes over devices, sockets and sessions with their keys, so that no packet and no session is\n"
    "lost. It reads the configuration file anew; what differs is made anew (weft check FILE first: a file "
    "with\n"
    "errors leaves no weftd running). Its process id is another one. Where a service manager runs weftd,\n"
    "systemctl restart does the same, and this command refuses.\n";

constexpr auto confirm_footer =
    "What `weft apply --confirm` has changed stays. Exits with 1 if nothing waits for it.\n";

constexpr auto check_footer =
    "Prints every problem as FILE:LINE:COLUMN: what: cure on standard error and exits with 2, or prints a "
    "summary\n"
    "and exits with 0. Key files that the configuration names are read as well.\n";

constexpr auto key_footer =
    "Keys are 32 bytes in base64, on a line of their own. A node's private key:\n"
    "  (umask 077; weft genkey > site-a.key)\n"
    "Its public key, for the configuration of its peers:\n"
    "  weft pubkey < site-a.key\n"
    "A secret of two peers beside their keys (preshared_key_file of both):\n"
    "  (umask 077; weft genpsk > site-a-b.psk)\n";

bool color_wanted() {
    const auto* no_color = std::getenv("NO_COLOR");
    return isatty(STDOUT_FILENO) != 0 && (no_color == nullptr || *no_color == '\0');
}

int finish_output() {
    if (std::fflush(stdout) == 0) return 0;
    fmt::print(stderr, "weft: cannot write to standard output\n");
    return failed;
}

std::string control_path(const std::string& control) {
    return control.empty() ? default_control_path(std::getenv("WEFT_CONTROL")) : control;
}

int ask(const std::string& control, const std::string& method, bool as_json,
        const nlohmann::json& params = {}) {
    Client client{control_path(control)};
    const auto result = client.call(method, params);
    fmt::print("{}", as_json ? result.dump(2) + '\n' : render(method, result, color_wanted()));
    return finish_output();
}

// Until it is interrupted, or the daemon ends.
int monitor(const std::string& control, bool as_json) {
    Client client{control_path(control)};
    client.call("monitor", {});
    while (true) {
        const auto event = client.next_notification();
        fmt::print("{}\n", as_json ? event.dump() : render_event(event));
        if (finish_output() != 0) return failed;
    }
}

// What is in force though it does not stand in the file.
std::vector<std::string> implied(const config::Config& config) {
    std::vector<std::string> objects;
    for (const auto& port : config.ports) {
        if (port.implied) objects.push_back(config::to_string(config::AddPort{&port}));
    }
    for (const auto& route : config.routes) {
        if (route.implied) objects.push_back(config::to_string(config::AddRoute{&route}));
    }
    return objects;
}

int check(const std::string& file, bool as_json) {
    const auto loaded = config::load(file);
    if (!loaded) {
        for (const auto& problem : loaded.error()) fmt::print(stderr, "{}\n", problem);
        if (as_json) fmt::print("{}\n", nlohmann::json{{"ok", false}, {"problems", loaded.error()}}.dump(2));
        return wrong_usage;
    }
    const auto& config = *loaded;
    if (as_json) {
        const nlohmann::json answer{
            {"ok", true}, {"problems", nlohmann::json::array()}, {"implied", implied(config)}};
        fmt::print("{}\n", answer.dump(2));
    } else {
        fmt::print("{}: ok\nnode {}: bridges {}, ports {}, routes {}, peers {}\n", file, config.node.name,
                   config.bridges.size(), config.ports.size(), config.routes.size(), config.peers.size());
        for (const std::string& object : implied(config)) fmt::print("implied by masquerade: {}\n", object);
    }
    return finish_output();
}

// What is wrong with the file is told here, as `weft check` does.
int apply(const std::string& control, const std::string& file, bool dry_run, std::uint64_t confirm_s,
          bool as_json) {
    if (const auto loaded = config::load(file); !loaded) {
        for (const auto& problem : loaded.error()) fmt::print(stderr, "{}\n", problem);
        return wrong_usage;
    }
    std::ifstream stream(file, std::ios::binary);
    const std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
    return ask(control, "apply", as_json,
               {{"text", text},
                {"path", std::filesystem::absolute(file).string()},
                {"dry_run", dry_run},
                {"confirm_s", confirm_s}});
}

int confirm(const std::string& control, bool as_json) {
    Client client{control_path(control)};
    const auto result = client.call("confirm", nlohmann::json::object());
    const bool confirmed = result.at("confirmed").get<bool>();
    if (as_json) {
        fmt::print("{}\n", result.dump(2));
    } else {
        fmt::print("{}\n", confirmed ? "confirmed" : "nothing waits to be confirmed");
    }
    return confirmed ? finish_output() : failed;
}

// Until another process answers for the node.
int upgrade(const std::string& control, bool as_json) {
    using std::chrono::steady_clock;
    const std::string path = control_path(control);
    const auto before = Client{path}.call("upgrade", nlohmann::json::object()).at("pid").get<std::int64_t>();
    const auto until = steady_clock::now() + std::chrono::seconds{30};
    while (steady_clock::now() < until) {
        std::this_thread::sleep_for(std::chrono::milliseconds{50});
        try {
            const auto now = Client{path}.call("status", {}).at("pid").get<std::int64_t>();
            if (now == before) continue;
            if (as_json) {
                fmt::print("{}\n", nlohmann::json{{"pid", now}, {"previous_pid", before}}.dump(2));
            } else {
                fmt::print("weftd is process {} now, and was {}\n", now, before);
            }
            return finish_output();
        } catch (const std::runtime_error&) {  // NOLINT(bugprone-empty-catch): nobody answers yet
        }
    }
    fmt::print(stderr, "weft: the new weftd does not answer: see its log\n");
    return failed;
}

int print_version() {
    fmt::print("weft {}\n", version);
    return finish_output();
}

// What the command line says, and what the commands make of it.
struct CommandLine {
    CLI::App app{"Asks a weft daemon what it does, checks configurations, makes keys.", "weft"};
    std::string control;
    std::string file;
    std::string peer;
    unsigned limit = 50;
    std::string prefix;
    bool as_json = false;
    bool dry_run = false;
    nlohmann::json params = nlohmann::json::object();
    std::uint64_t confirm_s = 0;
    int status = 0;

    CommandLine() {
        app.set_version_flag("--version", fmt::format("weft {}", version), "Print the version and exit");
        app.footer(footer);
        app.require_subcommand(0, 1);
        app.fallthrough();
        app.add_option("--control", control,
                       "Socket of the daemon (default: $WEFT_CONTROL, else the only *.sock in /run/weft)")
            ->type_name("PATH");
        app.add_flag("--json", as_json, "Print the result as JSON, for programs");

        for (const auto& query : queries) {
            add(query.name, query.summary, query.details,
                [this, name = query.name] { return ask(control, name, as_json); });
        }
        add("flows", "what flows, the busiest first", flows_footer,
            [this] { return ask(control, "flows", as_json, {{"limit", limit}}); })
            ->add_option("--limit", limit, "Print at most so many (default: 50)")
            ->type_name("N")
            ->check(CLI::Range(1, 10'000));
        add("monitor", "what happens, as it happens", monitor_footer,
            [this] { return monitor(control, as_json); });
        add("rekey", "agree on new keys now, with one peer or all", rekey_footer, [this] {
            return ask(control, "rekey", as_json,
                       peer.empty() ? nlohmann::json{} : nlohmann::json{{"peer", peer}});
        })->add_option("PEER", peer, "Name of a peer, as in weft peers (default: all that have a session)");
        add_deny();
        add_objects();
        add_apply();
        add("confirm", "keep what weft apply --confirm has changed", confirm_footer,
            [this] { return confirm(control, as_json); });
        add("upgrade", "go on with the program that is installed now", upgrade_footer,
            [this] { return upgrade(control, as_json); });
        add("check", "check a configuration file without starting anything", check_footer,
            [this] { return check(file, as_json); })
            ->add_option("FILE", file, "Configuration (TOML) of a node")
            ->required();
        add("genkey", "print a new private key", key_footer, run_genkey);
        add("pubkey", "read a private key from standard input, print its public key", key_footer, run_pubkey);
        add("genpsk", "print a new preshared key", key_footer, run_genpsk);
        // For the help: it has become weft-lab before.
        add("lab", "emulate networks on this machine: see weft lab --help", "", [] { return wrong_usage; });
        add("version", "print the version", "", print_version);
    }

    // An option whose value goes into the params as it is.
    template <class Value>
    CLI::Option* add_param(CLI::App& to, const std::string& name, const std::string& key, const char* text) {
        return to.add_option_function<Value>(
            name, [this, key](const Value& value) { params[key] = value; }, text);
    }

    void add_flag_param(CLI::App& to, const std::string& name, const std::string& key, bool value,
                        const char* text) {
        to.add_flag_callback(name, [this, key, value] { params[key] = value; }, text);
    }

    void add_objects() {
        using Texts = std::vector<std::string>;
        auto* port = app.add_subcommand("port", "add a port to the running node, or remove it");
        port->footer(port_footer);
        port->require_subcommand(1);
        auto& more = *add_to(*port, "add", "add a port", port_footer,
                             [this] { return ask(control, "port_add", as_json, with_type()); });
        add_param<std::string>(more, "NAME", "name", "Name of the port")->required();
        add_param<std::string>(more, "--bridge", "bridge", "Bridge that it is on")->required();
        add_param<std::string>(more, "--netns", "netns", "Namespace of the other end: a name, or a path")
            ->required();
        add_param<std::string>(more, "--device", "device", "Name of the device there")->required();
        add_param<Texts>(more, "--address", "address", "Its addresses, as in 10.1.0.5/24");
        add_param<std::string>(more, "--mac", "mac", "Its MAC address (default: derived from the names)");
        add_param<unsigned>(more, "--mtu", "mtu", "Its MTU (default: what the bridge carries)");
        add_param<unsigned>(more, "--vlan", "vlan", "Access VLAN");
        add_flag_param(more, "--isolated", "isolated", true,
                       "It talks to the gateway and to ports that are not isolated");
        add_flag_param(more, "--no-spoof-check", "spoof_check", false,
                       "It may send from any MAC and IP address");
        add_removal(*port, "port_del", "remove a port that was added so", port_footer);

        auto* bridge = app.add_subcommand("bridge", "add a bridge to the running node, or remove it");
        bridge->footer(bridge_footer);
        bridge->require_subcommand(1);
        auto& added = *add_to(*bridge, "add", "add a bridge", bridge_footer,
                              [this] { return ask(control, "bridge_add", as_json, params); });
        add_param<std::string>(added, "NAME", "name", "Name of the bridge")->required();
        add_param<unsigned>(added, "--vni", "vni", "VXLAN network identifier");
        add_param<Texts>(added, "--gateway", "gateway", "Addresses of the router on it, as in 10.1.0.1/24");
        add_flag_param(added, "--masquerade", "masquerade", true,
                       "It reaches the host's networks and beyond");
        add_removal(*bridge, "bridge_del", "remove a bridge that was added so", bridge_footer);
    }

    [[nodiscard]] nlohmann::json with_type() const {
        nlohmann::json port = params;
        port["type"] = "veth";
        return port;
    }

    void add_removal(CLI::App& parent, const char* method, const char* summary, const char* details) {
        auto& removal = *add_to(parent, "del", summary, details,
                                [this, method] { return ask(control, method, as_json, params); });
        add_param<std::string>(removal, "NAME", "name", "Its name")->required();
    }

    void add_apply() {
        auto* apply = add("apply", "change the running node to another configuration", apply_footer,
                          [this] { return weft::apply(control, file, dry_run, confirm_s, as_json); });
        apply->add_option("FILE", file, "Configuration (TOML) of the node")->required();
        apply->add_flag("--dry-run", dry_run, "Print what would be changed, and change nothing");
        apply
            ->add_option("--confirm", confirm_s,
                         "Go back unless weft confirm follows in this time (60s, 10m)")
            ->type_name("TIME")
            ->transform(
                CLI::AsNumberWithUnit(std::map<std::string, std::uint64_t>{{"s", 1}, {"m", 60}, {"h", 3600}},
                                      CLI::AsNumberWithUnit::UNIT_OPTIONAL));
    }

    void add_deny() {
        auto* deny = app.add_subcommand("deny", "drop what certain sources on the underlay send");
        deny->footer(deny_footer);
        deny->require_subcommand(1);
        const auto change = [&](const char* name, const char* method, const char* summary) {
            add_to(*deny, name, summary, deny_change_footer,
                   [this, method] { return ask(control, method, as_json, {{"prefix", prefix}}); })
                ->add_option("PREFIX", prefix, "Of outer source addresses")
                ->required();
        };
        change("add", "deny_add", "deny a prefix, until weftd ends");
        change("del", "deny_del", "allow it again");
        add_to(*deny, "show", "all denied prefixes, and what was dropped", deny_show_footer,
               [this] { return ask(control, "deny", as_json); });
    }

    CLI::App* add(const char* name, const char* summary, const char* details, std::function<int()> command) {
        return add_to(app, name, summary, details, std::move(command));
    }

    CLI::App* add_to(CLI::App& parent, const char* name, const char* summary, const char* details,
                     std::function<int()> command) {
        auto* subcommand = parent.add_subcommand(name, summary);
        subcommand->footer(details);
        subcommand->callback([this, command = std::move(command)] { status = command(); });
        return subcommand;
    }
};

// The program beside this one.
[[noreturn]] void become_lab(char** argv) {
    const auto program = std::filesystem::read_symlink("/proc/self/exe").parent_path() / "weft-lab";
    std::string name = "weft-lab";
    argv[1] = name.data();
    execv(program.c_str(), argv + 1);
    const int error = errno;
    throw_system_error("cannot run " + program.string(), error,
                       error == ENOENT ? "it belongs beside weft: install or build it, too" : "");
}

int run(int argc, char** argv) {
    CommandLine line;
    try {
        line.app.parse(argc, argv);
        if (line.app.get_subcommands().empty()) throw CLI::RequiredError("A command");
    } catch (const CLI::ParseError& error) {
        // CLI11's exit codes are many, ours is one; help and version are no errors.
        return line.app.exit(error) == 0 ? 0 : wrong_usage;
    }
    return line.status;
}

}  // namespace

}  // namespace weft

int main(int argc, char** argv) {
    try {
        if (argc > 1 && argv[1] == std::string_view{"lab"}) weft::become_lab(argv);
        weft::keep_openssl_in_secret_memory();
        return weft::run(argc, argv);
    } catch (const std::exception& failure) {
        fmt::print(stderr, "weft: {}\n", failure.what());
        return weft::failed;
    }
}
