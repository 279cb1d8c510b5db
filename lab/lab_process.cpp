#include "lab/lab_process.h"

#include <cerrno>
#include <csignal>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>

#include <unistd.h>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "lab/capture.h"
#include "lab/hosts_file.h"
#include "lab/lab_control.h"
#include "lab/sandbox_mounts.h"
#include "lab/startup.h"
#include "vswitch/system.h"

namespace weft::lab {

namespace {

std::string text_of(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// Speaks with the front until the lab is up, and after that looks whether it is there, if it stays.
class FrontLink {
  public:
    FrontLink(Loop& loop, DescriptorChannel& channel)
        : loop_(loop),
          channel_(channel),
          poll_(loop, channel.descriptor(), [this](Poll::Events) { heard(); }) {
        poll_.watch({.readable = true});
    }

    void up(const Runner& runner) const { channel_.send({{"up", true}, {"warnings", runner.warnings()}}); }

  private:
    void heard() {
        const auto message = channel_.receive();
        if (!message) {
            poll_.watch({});
            loop_.stop();
        } else if (message->body.value("go_on", false) && !message->body.value("stays", false)) {
            poll_.watch({});
        }
    }

    Loop& loop_;
    DescriptorChannel& channel_;
    Poll poll_;
};

}  // namespace

int run_lab(DescriptorChannel& front, Topology topology, Runner::Options options) {
    const Progress progress = [&front](const std::string& what) { front.send({{"progress", what}}); };
    if (::sethostname(topology.name.data(), topology.name.size()) != 0)
        throw_system_error("cannot give the lab's machine its name", errno);
    mount_sandbox(
        {.state_folder = options.folder, .hosts = text_of("/etc/hosts") + "\n" + hosts_file(topology)});
    Loop loop;
    const Signal terminate(loop, SIGTERM, [&] { loop.stop(); });
    const Signal interrupt(loop, SIGINT, [&] { loop.stop(); });
    Runner runner(loop, std::move(topology), std::move(options), progress);
    FrontLink link(loop, front);
    std::optional<LabControl> control;
    std::optional<CaptureServer> captures;
    Startup startup(runner, progress, [&] {
        control.emplace(runner, [&loop] { loop.stop(); });
        captures.emplace(loop, runner.options().folder, runner.topology(), runner.network());
        runner.start_events();
        link.up(runner);
    });
    startup.begin();
    loop.run();
    return 0;
}

}  // namespace weft::lab
