// Which packets a LossModel loses. The models with states change their state first, for each packet, and then
// decide about the packet in the new one; they begin in the state in which all is well.
#pragma once

#include <cstdint>

#include "vswitch/emulation/impairment.h"
#include "vswitch/emulation/random_stream.h"

namespace weft {

class LossProcess {
  public:
    // An equal model goes on where it is.
    void set(const LossModel& model);

    // Whether the next packet is lost.
    [[nodiscard]] bool loses(RandomStream& random) noexcept;

  private:
    enum class State : std::uint8_t { good, bad, good_in_burst, lost_alone };

    [[nodiscard]] bool loses_at_random(RandomStream& random) noexcept;
    [[nodiscard]] bool loses_by_gilbert_elliott(RandomStream& random) noexcept;
    [[nodiscard]] bool loses_by_four_states(RandomStream& random) noexcept;

    LossModel model_;
    State state_ = State::good;
    std::uint64_t count_ = 0;
    // Of RandomLoss: after a packet that arrived, after one that was lost. Of GilbertElliottLoss: to_bad,
    // to_good, loss_good, loss_bad. Of FourStateLoss: p13, p14 if not that, p31, p32 if not that, p23.
    Chance chances_[5];
    std::uint64_t every_ = 0;
};

}  // namespace weft
