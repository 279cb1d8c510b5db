// What passes the links of a running lab, as pcapng (pcapng.h) while it happens: `weft lab capture`. A link
// is two interfaces of the file, LINK and LINK (back), a direction each, so that either end's view is a
// filter; frames are seen when they begin their way, what the link then loses included.
//
//   client  -- {"targets": ["wan", "server"]}\n ------>  capture.sock
//           <- pcapng, until either side ends --------
//
// A reader that is too slow misses frames, and not the lab its time: they are counted, and told in the lab's
// log.
#pragma once

#include <list>
#include <memory>
#include <string>

#include "cli/loop.h"
#include "lab/network.h"
#include "lab/topology.h"

namespace weft::lab {

inline constexpr const char* capture_socket = "capture.sock";

class CaptureServer {
  public:
    // `network` is watched as long as somebody captures.
    CaptureServer(Loop& loop, const std::string& folder, const Topology& topology, Network& network);
    ~CaptureServer();
    CaptureServer(const CaptureServer&) = delete;
    CaptureServer& operator=(const CaptureServer&) = delete;

  private:
    struct Reader;

    void watch_or_not();
    void accept(UnixStream stream);

    const Topology& topology_;
    Network& network_;
    std::list<std::unique_ptr<Reader>> readers_;
    Timer reaper_;
    Timer flusher_;
    UnixServer server_;
};

}  // namespace weft::lab
