// Turns the host part of a peer's endpoint into an address without holding up the control loop: lookups run
// on a thread of their own, one after the other, and a failed one is repeated until it succeeds or is
// forgotten.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "cli/loop.h"
#include "vswitch/address.h"

namespace weft {

class Resolver {
  public:
    explicit Resolver(Loop& loop);
    ~Resolver();
    Resolver(const Resolver&) = delete;
    Resolver& operator=(const Resolver&) = delete;

    // Calls `resolved` on the loop, once, with the first address of `host`; `failed`, after each failure,
    // with the reason. `key` names the lookup for forget().
    void lookup(std::uint32_t key, std::string host, std::function<void(const IpAddress&)> resolved,
                std::function<void(const std::string&)> failed);
    void forget(std::uint32_t key);

  private:
    struct Lookup {
        std::uint32_t key;
        std::string host;
        std::function<void(const IpAddress&)> resolved;
        std::function<void(const std::string&)> failed;
        std::optional<IpAddress> address;
        std::string error;
    };

    void work();
    void collect();

    Wakeup wakeup_;
    Timer retry_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::list<Lookup> waiting_;
    std::list<Lookup> done_;
    std::list<Lookup> failed_;  // until retry_
    bool stopping_ = false;
    std::thread thread_;
};

}  // namespace weft
