// How long a packet is under way: a DelayModel's random part.
//
// With a correlation a normal random process of first order, z' = r z + sqrt(1 - r^2) e, chooses where in the
// distribution a packet is, so the distribution of all delays is the same as without. Of normal jitter, r is
// exactly the correlation of one delay with the next; of the other shapes it is a little less.
#pragma once

#include <cstdint>
#include <optional>

#include "vswitch/emulation/impairment.h"
#include "vswitch/emulation/quantiles.h"
#include "vswitch/emulation/random_stream.h"

namespace weft {

class Jitter {
  public:
    // Not for the packet path. An equal model goes on where it is.
    void set(const DelayModel& model);

    // The whole delay of the next packet, at least 0.
    [[nodiscard]] Duration draw(RandomStream& random) noexcept;

  private:
    [[nodiscard]] std::uint64_t draw_position(RandomStream& random) noexcept;

    DelayModel model_;
    std::optional<Quantiles> table_;
    const Quantiles* quantiles_ = nullptr;  // null: uniform
    std::int64_t weight_of_last_ = 0;       // in 2^-30
    std::int64_t weight_of_new_ = 0;
    std::optional<std::int64_t> last_;  // in units of Quantiles
};

}  // namespace weft
