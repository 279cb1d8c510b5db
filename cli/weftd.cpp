// weftd: runs one node, in the foreground, until SIGTERM or SIGINT.
#include <csignal>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>
#include <systemd/sd-daemon.h>

#include "cli/daemon.h"
#include "cli/loop.h"
#include "cli/version.h"
#include "config/load.h"

namespace {

constexpr int exit_failed = 1;
constexpr int exit_usage = 2;

struct Options {
    std::string config;
    bool verbose = false;
};

void set_up_log(bool verbose) {
    spdlog::set_default_logger(spdlog::stderr_color_mt("weftd"));
    // The journal has its own clock.
    const bool journal = std::getenv("JOURNAL_STREAM") != nullptr;  // NOLINT(concurrency-mt-unsafe)
    spdlog::set_pattern(journal ? "%v" : "%Y-%m-%dT%H:%M:%S.%e %l %v");
    if (verbose) spdlog::set_level(spdlog::level::debug);
}

int run(const Options& options) {
    auto loaded = weft::config::load(options.config);
    if (!loaded) {
        for (const std::string& problem : loaded.error()) fmt::print(stderr, "{}\n", problem);
        return exit_usage;
    }
    set_up_log(options.verbose);

    weft::Loop loop;
    const weft::Signal terminate(loop, SIGTERM, [&] { loop.stop(); });
    const weft::Signal interrupt(loop, SIGINT, [&] { loop.stop(); });
    // Sent by whoever wants a daemon to read its configuration again: it must not be the end of the network.
    const weft::Signal hang_up(loop, SIGHUP, [] {
        spdlog::warn(
            "SIGHUP: a changed configuration takes effect at the next start (weft check FILE tells if it is "
            "good)");
    });
    weft::Daemon daemon(loop);
    const std::string name = loaded->node.name;
    daemon.apply(std::make_unique<const weft::config::Config>(std::move(*loaded)));
    spdlog::info("node {} is up", name);
    ::sd_notify(0, "READY=1");
    loop.run();
    ::sd_notify(0, "STOPPING=1");
    spdlog::info("node {} stops", name);
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    CLI::App app{
        "weftd runs a node of a weft network: it makes the ports that its configuration names, switches and "
        "routes between "
        "them, and carries what is meant for others to its peers, encrypted.\n\n"
        "It stays in the foreground, logs to standard error, and takes down all that it made on SIGTERM or "
        "SIGINT. "
        "`weft` asks it how it is. Check a configuration without starting: weft check FILE.",
        "weftd"};
    app.add_option("-c,--config", options.config, "the node's configuration (TOML)")
        ->required()
        ->type_name("FILE");
    app.add_flag("-v,--verbose", options.verbose, "log each change that is applied");
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
        return run(options);
    } catch (const std::exception& error) {
        fmt::print(stderr, "weftd: {}\n", error.what());
        return exit_failed;
    }
}
