#include "cli/keeper.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <stdexcept>
#include <utility>

#include <spawn.h>
#include <sys/socket.h>
#include <unistd.h>

#include <spdlog/spdlog.h>

#include "cli/keeper_messages.h"

namespace weft {

namespace {

Descriptor start(const std::string& program) {
    auto [ours, theirs] = DescriptorChannel::make_pair();
    std::string name = "weftd";
    std::string option{keeper_option};
    std::array<char*, 3> arguments{name.data(), option.data(), nullptr};
    std::array<char*, 1> environment{nullptr};
    posix_spawn_file_actions_t actions{};
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, theirs.get(), STDIN_FILENO);
    pid_t child = 0;
    const int error =
        ::posix_spawn(&child, program.c_str(), &actions, nullptr, arguments.data(), environment.data());
    ::posix_spawn_file_actions_destroy(&actions);
    if (error != 0) {
        throw_system_error("cannot start the keeper of devices (" + program + ")", error,
                           error == ENOENT ? "mount /proc" : "");
    }
    return std::move(ours);
}

}  // namespace

Keeper::Keeper(const std::string& config, const Successor& successor, const std::string& program)
    : config_(std::filesystem::absolute(config)), channel_(start(program)) {
    ask({{"do", "begin"},
         {"config", config_},
         {"program", successor.program},
         {"options", successor.options}});
}

Keeper::~Keeper() {
    channel_.finish();
    try {
        while (channel_.receive()) {
        }
    } catch (const std::exception& error) {
        spdlog::warn("{}", error.what());
    }
}

ChannelMessage Keeper::ask(const nlohmann::json& request, const std::vector<int>& descriptors) {
    channel_.send(request, descriptors);
    auto answer = channel_.receive();
    if (!answer) throw std::runtime_error("the keeper of devices has died: restart weftd");
    if (answer->body.contains("error")) throw std::runtime_error(answer->body.at("error").get<std::string>());
    return std::move(*answer);
}

void Keeper::use(const HookPrograms& programs) {
    ask({{"do", "use"}},
        {programs.veth_ingress, programs.patch_ingress, programs.patch_egress, programs.tap_egress,
         programs.tun_egress, programs.patches, programs.flows, programs.actions});
}

MadePort Keeper::make(const PortOrder& order) {
    return made_port(ask({{"do", "make"}, {"order", to_json(order)}}));
}

MadePort Keeper::adopt(const StandingPort& standing) {
    return made_port(ask({{"do", "adopt"}, {"standing", to_json(standing)}}));
}

void Keeper::leave() {
    ask({{"do", "leave"}});
}

void Keeper::try_successor() {
    ask({{"do", "try_successor"}});
}

void Keeper::succeed(const std::vector<std::pair<std::string, int>>& descriptors) {
    constexpr std::size_t most = DescriptorChannel::max_descriptors;
    for (std::size_t first = 0; first < descriptors.size(); first += most) {
        std::vector<std::string> names;
        std::vector<int> numbers;
        for (std::size_t i = first; i < std::min(first + most, descriptors.size()); ++i) {
            names.push_back(descriptors[i].first);
            numbers.push_back(descriptors[i].second);
        }
        ask({{"do", "bequeath"}, {"names", names}}, numbers);
    }
    ask({{"do", "succeed"}});
}

void Keeper::remove(const std::string& host_end) {
    ask({{"do", "remove"}, {"host_end", host_end}});
}

void Keeper::set_mtu(const std::optional<std::string>& netns, const std::string& device, std::uint16_t mtu) {
    ask({{"do", "set_mtu"}, {"netns", to_json(netns)}, {"device", device}, {"mtu", mtu}});
}

std::set<Prefix> Keeper::route(const Routes& routes) {
    const auto answer = ask({{"do", "route"},
                             {"netns", to_json(routes.netns)},
                             {"device", routes.device},
                             {"add", to_json(routes.add)},
                             {"remove", to_json(routes.remove)}});
    return prefixes(answer.body.at("refused"));
}

std::vector<std::string> Keeper::masquerade(const std::optional<NatRules>& rules) {
    return ask({{"do", "masquerade"}, {"rules", to_json(rules)}}).body.at("warnings");
}

Descriptor Keeper::open_key(const std::string& path) {
    auto answer = ask({{"do", "open_key"}, {"path", path}});
    return std::move(answer.descriptors.at(0));
}

std::string Keeper::read_start_config() {
    return ask({{"do", "read_start_config"}}).body.at("text").get<std::string>();
}

std::string Keeper::read_config() {
    return ask({{"do", "read_config"}}).body.at("text").get<std::string>();
}

}  // namespace weft
