// weftd: runs one node, in the foreground, until SIGTERM or SIGINT.
#include <csignal>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>

#include "cli/daemon.h"
#include "cli/descriptor_store.h"
#include "cli/handover.h"
#include "cli/keeper.h"
#include "cli/loop.h"
#include "cli/privileges.h"
#include "cli/sandbox.h"
#include "cli/uplink_guard.h"
#include "cli/version.h"
#include "config/load.h"
#include "crypto/code_pages.h"
#include "crypto/secret_memory.h"

namespace {

constexpr int exit_failed = 1;
constexpr int exit_usage = 2;

struct Options {
    std::string config;
    bool verbose = false;
    bool core_dumps = false;
};

std::string folder_of(const std::string& file) {
    const auto folder = std::filesystem::path{file}.parent_path();
    return folder.empty() ? "." : folder.string();
}

void set_up_log(bool verbose) {
    spdlog::set_default_logger(spdlog::stderr_color_mt("weftd"));
    // The journal has its own clock.
    const bool journal = std::getenv("JOURNAL_STREAM") != nullptr;  // NOLINT(concurrency-mt-unsafe)
    spdlog::set_pattern(journal ? "%v" : "%Y-%m-%dT%H:%M:%S.%e %l %v");
    if (verbose) spdlog::set_level(spdlog::level::debug);
}

// What is left to the node when it has started.
struct Rights {
    weft::Unprivileged privileges;
    weft::SandboxOptions calls;
};

Rights rights_for(const weft::config::Config& config, const Options& options) {
    Rights rights;
    rights.privileges.user = weft::choose_user(config.node.user);
    rights.privileges.core_dumps = options.core_dumps;
    for (const auto& peer : config.peers) {
        if (peer.manual) rights.privileges.folders.push_back(folder_of(peer.manual->counter_file));
        if (peer.endpoint_host && !weft::IpAddress::parse(*peer.endpoint_host))
            rights.calls.resolves_names = true;
    }
    rights.calls.drops_early = weft::UplinkGuard::is_wanted(config.fast_path);
    rights.calls.writes_files = !rights.privileges.folders.empty();
    return rights;
}

void warn(weft::Daemon& daemon, const std::string& warning) {
    spdlog::warn("{}", warning);
    daemon.warn(warning);
}

// Everything is open.
void give_up_privileges(const Rights& rights, weft::Daemon& daemon) {
    weft::drop_privileges(rights.privileges);
    const bool stays_root = ::geteuid() == 0 && !weft::is_alone_in_user_namespace();
    weft::enter_sandbox(rights.calls);
    if (stays_root) {
        warn(daemon, "runs as root, though without capabilities: make a user for it (useradd --system weft)");
    }
    if (const auto memory = weft::secret_memory(); memory.unlocked > 0) {
        warn(daemon, fmt::format("{} KiB of memory for keys are not locked and may be swapped out: raise "
                                 "LimitMEMLOCK (ulimit -l)",
                                 memory.unlocked / 1024));
    }
}

// False: the store has no room for it, or does not say that it has it.
bool keep(const weft::DescriptorStore& store, const weft::Legacy::Named& legacy) {
    if (legacy.size() <= store.room()) return store.keep(legacy);
    spdlog::error("the service manager keeps {} descriptors, and there are {}: raise FileDescriptorStoreMax=",
                  store.room(), legacy.size());
    return false;
}

// As this one was started.
weft::Keeper::Successor successor(const Options& options) {
    weft::Keeper::Successor successor{.program = std::filesystem::read_symlink("/proc/self/exe"),
                                      .options = {}};
    if (options.verbose) successor.options.emplace_back("--verbose");
    if (options.core_dumps) successor.options.emplace_back("--core-dumps");
    return successor;
}

enum class End { stop, restart, upgrade };

int run(const Options& options) {
    const bool is_managed = std::getenv("NOTIFY_SOCKET") != nullptr;  // NOLINT(concurrency-mt-unsafe)
    auto store = weft::DescriptorStore::open();
    auto loaded = weft::config::load(options.config);
    weft::scrub_stack();  // of key files
    if (!loaded) {
        for (const std::string& problem : loaded.error()) fmt::print(stderr, "{}\n", problem);
        return exit_usage;
    }
    set_up_log(options.verbose);

    weft::Loop loop;
    std::optional<End> end;  // the first one counts
    const auto end_by = [&](End how) {
        if (!end) end = how;
        loop.stop();
    };
    const weft::Signal terminate(loop, SIGTERM, [&] { end_by(End::restart); });
    const weft::Signal interrupt(loop, SIGINT, [&] { end_by(End::stop); });
    weft::Daemon daemon(loop, options.config, successor(options), [&] {
        if (is_managed)
            throw std::runtime_error("a service manager runs this weftd: systemctl restart loses nothing");
        end_by(End::upgrade);
    });
    const weft::Signal hang_up(loop, SIGHUP, [&] { daemon.reload(); });
    const std::string name = loaded->node.name;
    const Rights rights = rights_for(*loaded, options);
    weft::prepare_folder(loaded->node.state_dir, rights.privileges.user);
    auto inherited = weft::Inheritance::take(store.take(), *loaded);
    daemon.begin(std::make_unique<weft::config::Config>(std::move(*loaded)), std::move(inherited));
    weft::scrub_stack();  // of sessions that go on
    daemon.restore();
    give_up_privileges(rights, daemon);
    daemon.confined(rights.calls);
    weft::give_back_code_pages();  // of parsers, self-tests, the loader
    daemon.open_up();
    spdlog::info("node {} is up", name);
    ::sd_notify(0, "READY=1");
    loop.run();
    ::sd_notify(0, "STOPPING=1");
    spdlog::info("node {} stops", name);
    if (end == End::upgrade) daemon.hand_over_to_successor();
    if (end == End::restart && store.room() > 0)
        daemon.hand_over([&store](const weft::Legacy::Named& legacy) { return keep(store, legacy); });
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    // Not for people: weftd starts itself so.
    if (argc == 2 && argv[1] == weft::keeper_option) {
        set_up_log(false);
        return weft::run_keeper();
    }
    Options options;
    CLI::App app{
        "weftd runs a node of a weft network: it makes the ports that its configuration names, switches and "
        "routes between "
        "them, and carries what is meant for others to its peers, encrypted.\n\n"
        "It stays in the foreground, logs to standard error, and takes down all that it made on SIGTERM or "
        "SIGINT; but on SIGTERM, if the service manager keeps descriptors (FDSTORE), it leaves devices, "
        "sockets "
        "and sessions to the next weftd. "
        "`weft` asks it how it is. Check a configuration without starting: weft check FILE.",
        "weftd"};
    app.add_option("-c,--config", options.config, "the node's configuration (TOML)")
        ->required()
        ->type_name("FILE");
    app.add_flag("-v,--verbose", options.verbose, "log each change that is applied");
    app.add_flag("--core-dumps", options.core_dumps,
                 "leave a core file if it crashes, and let a debugger attach; keys are not in it");
    app.set_version_flag("--version", std::string(weft::version));
    app.footer(
        "Exit status: 0 stopped by a signal; 1 something could not be had (a device, an address, a "
        "namespace); 2 wrong "
        "usage or configuration.");
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : exit_usage;
    }
    try {
        weft::protect_memory(options.core_dumps);
        weft::keep_openssl_in_secret_memory();
        return run(options);
    } catch (const std::exception& error) {
        fmt::print(stderr, "weftd: {}\n", error.what());
        return exit_failed;
    }
}
