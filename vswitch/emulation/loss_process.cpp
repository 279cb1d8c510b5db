#include "vswitch/emulation/loss_process.h"

#include <algorithm>

namespace weft {

void LossProcess::set(const LossModel& model) {
    if (model == model_) return;
    model_ = model;
    state_ = State::good;
    count_ = 0;
    every_ = 0;
    if (const auto* random = std::get_if<RandomLoss>(&model)) {
        // The chain of two states that has this share of losses and this correlation of neighbors.
        const double p = random->probability;
        const double r = random->correlation;
        chances_[0] = Chance{p * (1 - r)};
        chances_[1] = Chance{p + r * (1 - p)};
    } else if (const auto* every = std::get_if<EveryNthLoss>(&model)) {
        every_ = every->n;
    } else if (const auto* gilbert = std::get_if<GilbertElliottLoss>(&model)) {
        chances_[0] = Chance{gilbert->to_bad};
        chances_[1] = Chance{gilbert->to_good};
        chances_[2] = Chance{gilbert->loss_good};
        chances_[3] = Chance{gilbert->loss_bad};
    } else if (const auto* four = std::get_if<FourStateLoss>(&model)) {
        // Of two ways out of a state, the second is asked for when the first was not taken.
        const auto given_not = [](double second, double first) {
            return Chance{first >= 1 ? 0.0 : std::min(1.0, second / (1 - first))};
        };
        chances_[0] = Chance{four->p13};
        chances_[1] = given_not(four->p14, four->p13);
        chances_[2] = Chance{four->p31};
        chances_[3] = given_not(four->p32, four->p31);
        chances_[4] = Chance{four->p23};
    }
}

bool LossProcess::loses(RandomStream& random) noexcept {
    struct Decide {
        LossProcess& process;
        RandomStream& random;

        bool operator()(const NoLoss&) const noexcept { return false; }

        bool operator()(const RandomLoss&) const noexcept { return process.loses_at_random(random); }

        bool operator()(const EveryNthLoss&) const noexcept {
            if (++process.count_ < process.every_) return false;
            process.count_ = 0;
            return true;
        }

        bool operator()(const GilbertElliottLoss&) const noexcept {
            return process.loses_by_gilbert_elliott(random);
        }

        bool operator()(const FourStateLoss&) const noexcept { return process.loses_by_four_states(random); }
    };

    return std::visit(Decide{*this, random}, model_);
}

bool LossProcess::loses_at_random(RandomStream& random) noexcept {
    const bool lost = random.happens(chances_[state_ == State::bad ? 1 : 0]);
    state_ = lost ? State::bad : State::good;
    return lost;
}

bool LossProcess::loses_by_gilbert_elliott(RandomStream& random) noexcept {
    const bool was_bad = state_ == State::bad;
    const bool changes = random.happens(chances_[was_bad ? 1 : 0]);
    const bool is_bad = was_bad != changes;
    state_ = is_bad ? State::bad : State::good;
    return random.happens(chances_[is_bad ? 3 : 2]);
}

bool LossProcess::loses_by_four_states(RandomStream& random) noexcept {
    switch (state_) {
        case State::good:
            if (random.happens(chances_[0])) {
                state_ = State::bad;
            } else if (random.happens(chances_[1])) {
                state_ = State::lost_alone;
            }
            break;
        case State::bad:
            if (random.happens(chances_[2])) {
                state_ = State::good;
            } else if (random.happens(chances_[3])) {
                state_ = State::good_in_burst;
            }
            break;
        case State::good_in_burst:
            if (random.happens(chances_[4])) state_ = State::bad;
            break;
        case State::lost_alone:
            state_ = State::good;
            break;
    }
    return state_ == State::bad || state_ == State::lost_alone;
}

}  // namespace weft
