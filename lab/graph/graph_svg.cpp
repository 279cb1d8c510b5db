#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "lab/graph/graph.h"
#include "lab/graph/graph_labels.h"
#include "lab/graph/graph_layout.h"
#include "lab/graph/graph_text.h"

namespace weft::lab {

namespace {

// Of a cell, which is larger if nodes or labels are.
constexpr double least_width = 170;
constexpr double least_height = 150;
constexpr double margin = 20;
constexpr double line_height = 14;
constexpr double label_line_height = 12;

// Of sans-serif, about.
constexpr double name_character = 7.6;   // 12 px, bold
constexpr double line_character = 6.6;   // 11 px
constexpr double label_character = 5.9;  // 10 px

struct Size {
    double width = 0;
    double height = 0;
};

Size size_of_node(const std::vector<std::string>& lines) {
    double widest = 6 * line_character;
    for (std::size_t i = 0; i < lines.size(); ++i) {
        widest = std::max(widest,
                          static_cast<double>(lines[i].size()) * (i == 0 ? name_character : line_character));
    }
    return {.width = widest + 16, .height = static_cast<double>(lines.size()) * line_height + 12};
}

Size size_of_label(const std::vector<std::string>& lines) {
    std::size_t longest = 0;
    for (const std::string& line : lines) longest = std::max(longest, line.size());
    return {.width = static_cast<double>(longest) * label_character,
            .height = static_cast<double>(lines.size()) * label_line_height};
}

constexpr std::string_view style = R"(<style>
text { font: 11px sans-serif; fill: #222; text-anchor: middle; }
text.name { font-weight: bold; font-size: 12px; }
text.on-link { font-size: 10px; fill: #444; paint-order: stroke; stroke: #fff; stroke-width: 4px; stroke-linejoin: round; }
text.figure { fill: #0a5; }
.link { fill: none; stroke: #778; stroke-width: 1.5; }
.impaired { stroke: #c60; }
.down { stroke: #c22; stroke-dasharray: 5 4; }
.node { stroke: #445; stroke-width: 1.2; fill: #fff; }
.switch { fill: #dbe9f6; }
.router { fill: #fde9d0; }
.site { fill: #e0f2e0; stroke-width: 3; }
.interface { fill: #f4f4f4; stroke-dasharray: 4 3; }
</style>
)";

std::string escaped(std::string_view text) {
    std::string out;
    for (const char c : text) {
        switch (c) {
            case '&':
                out += "&amp;";
                break;
            case '<':
                out += "&lt;";
                break;
            case '>':
                out += "&gt;";
                break;
            case '"':
                out += "&quot;";
                break;
            default:
                out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
        }
    }
    return out;
}

class Drawing {
  public:
    Drawing(const Topology& topology, const LinkFigures& figures)
        : topology_(&topology), figures_(&figures), degrees_(degrees_of(topology)) {
        const Size cell = cell_size();
        cell_width_ = cell.width;
        layout_ = lay_out(topology, cell.width, cell.height);
    }

    std::string svg() {
        if (topology_->nodes.empty()) reach({}, {});
        for (NodeIndex i = 0; i < topology_->nodes.size(); ++i) add_node(i);
        for (LinkIndex i = 0; i < topology_->links.size(); ++i) add_link(i);
        for (const Curve& curve : curves_) add_ends(curve);
        for (const Curve& curve : curves_) add_middle(curve);
        const double left = left_ - margin;
        const double top = top_ - margin;
        const double width = right_ + margin - left;
        const double height = bottom_ + margin - top;
        const std::string head = fmt::format(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
            "viewBox=\"{2:.0f} {3:.0f} {0:.0f} {1:.0f}\">\n"
            "<title>{4}</title>\n{5}<rect x=\"{2:.0f}\" y=\"{3:.0f}\" width=\"{0:.0f}\" "
            "height=\"{1:.0f}\" fill=\"#fff\"/>\n",
            width, height, left, top, escaped(topology_->name), style);
        return head + links_ + nodes_ + labels_ + "</svg>\n";
    }

  private:
    struct Curve {
        LinkIndex link;
        Point from;
        Point bend;
        Point to;

        [[nodiscard]] Point at(double t) const noexcept {
            const double a = (1 - t) * (1 - t);
            const double b = 2 * t * (1 - t);
            const double c = t * t;
            return {.x = a * from.x + b * bend.x + c * to.x, .y = a * from.y + b * bend.y + c * to.y};
        }
    };

    // So that the widest node has room beside the others, and what stands at a link between two rows.
    [[nodiscard]] Size cell_size() const {
        constexpr double between_nodes = 24;
        constexpr double between_labels = 40;
        Size cell{.width = least_width, .height = least_height};
        double highest = 0;
        for (NodeIndex i = 0; i < topology_->nodes.size(); ++i) {
            const Size size = size_of_node(node_lines(*topology_, i, degrees_));
            cell.width = std::max(cell.width, size.width + between_nodes);
            highest = std::max(highest, size.height);
        }
        for (LinkIndex i = 0; i < topology_->links.size(); ++i) {
            const Link& link = topology_->links[i];
            double height = size_of_label(link_lines(link, i, *figures_)).height;
            for (const LinkEnd& end : link.ends)
                height += size_of_label(end_lines(*topology_, end, degrees_)).height;
            cell.height = std::max(cell.height, highest + height + between_labels);
        }
        return cell;
    }

    void reach(Point place, Size size) noexcept {
        left_ = std::min(left_, place.x - size.width / 2);
        right_ = std::max(right_, place.x + size.width / 2);
        top_ = std::min(top_, place.y - size.height / 2);
        bottom_ = std::max(bottom_, place.y + size.height / 2);
    }

    void add_node(NodeIndex index) {
        constexpr double apart = 4;
        const auto lines = node_lines(*topology_, index, degrees_);
        const auto [width, height] = size_of_node(lines);
        const Point at = layout_.nodes[index];
        reach(at, {.width = width, .height = height});
        placer_.take({.middle = at, .width = width + apart, .height = height + apart});
        const NodeKind kind = node_kind(topology_->nodes[index]);
        const double corner = kind == NodeKind::router ? height / 2 : kind == NodeKind::switch_ ? 2 : 6;
        nodes_ += fmt::format(
            "<rect class=\"node {}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" "
            "rx=\"{:.1f}\"/>\n",
            to_string(kind), at.x - width / 2, at.y - height / 2, width, height, corner);
        for (std::size_t i = 0; i < lines.size(); ++i) {
            const double baseline = at.y - height / 2 + 6 + static_cast<double>(i + 1) * line_height - 3;
            nodes_ += fmt::format("<text class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n",
                                  i == 0 ? "name" : "line", at.x, baseline, escaped(lines[i]));
        }
    }

    // Straight; or a curve, where another node or another link of the same two nodes is in the way.
    void add_link(LinkIndex index) {
        const Link& link = topology_->links[index];
        const auto [a, b] = std::minmax(link.ends[0].node, link.ends[1].node);
        const Point from = layout_.nodes[link.ends[0].node];
        const Point to = layout_.nodes[link.ends[1].node];
        const unsigned parallel = parallel_[{a, b}]++;
        const Curve curve{.link = index, .from = from, .bend = bend_of(from, to, parallel), .to = to};
        const auto& [there, back] = link.impairment;
        const std::string_view kind = !there.up || !back.up                         ? " down"
                                      : there.does_nothing() && back.does_nothing() ? ""
                                                                                    : " impaired";
        links_ += fmt::format(
            "<path class=\"link{}\" d=\"M{:.1f} {:.1f} Q{:.1f} {:.1f} {:.1f} "
            "{:.1f}\"><title>{}</title></path>\n",
            kind, from.x, from.y, curve.bend.x, curve.bend.y, to.x, to.y, escaped(link.name));
        reach(curve.at(0.5), {});
        curves_.push_back(curve);
    }

    void add_ends(const Curve& curve) {
        const auto& ends = topology_->links[curve.link].ends;
        add_label(curve, end_lines(*topology_, ends[0], degrees_), {0.24, 0.2, 0.28, 0.32, 0.36}, false);
        add_label(curve, end_lines(*topology_, ends[1], degrees_), {0.76, 0.8, 0.72, 0.68, 0.64}, false);
    }

    void add_middle(const Curve& curve) {
        add_label(curve, link_lines(topology_->links[curve.link], curve.link, *figures_),
                  {0.5, 0.54, 0.46, 0.58, 0.42, 0.62, 0.38, 0.66, 0.34, 0.7, 0.3},
                  figures_->contains(curve.link));
    }

    // On the curve, beside it, above it, or below it.
    void add_label(const Curve& curve, const std::vector<std::string>& lines,
                   std::initializer_list<double> along, bool ends_in_figure) {
        if (lines.empty()) return;
        constexpr double apart = 4;
        const Size size = size_of_label(lines);
        std::vector<Point> places;
        constexpr std::array asides{Point{0, 0}, Point{-1, 0}, Point{1, 0}, Point{0, -1},
                                    Point{0, 1}, Point{0, -2}, Point{0, 2}};
        for (const auto& [across, down] : asides) {
            for (const double t : along) {
                const Point on = curve.at(t);
                places.push_back({.x = on.x + across * (size.width / 2 + 2 * apart),
                                  .y = on.y + down * (size.height / 2 + 2 * apart)});
            }
        }
        const Point at = placer_.place(places, size.width + apart, size.height + apart);
        reach(at, size);
        for (std::size_t i = 0; i < lines.size(); ++i) {
            const double baseline =
                at.y - size.height / 2 + static_cast<double>(i + 1) * label_line_height - 3;
            labels_ += fmt::format("<text class=\"on-link{}\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n",
                                   ends_in_figure && i + 1 == lines.size() ? " figure" : "", at.x, baseline,
                                   escaped(lines[i]));
        }
    }

    [[nodiscard]] Point bend_of(Point from, Point to, unsigned parallel) const noexcept {
        Point bend{.x = (from.x + to.x) / 2, .y = (from.y + to.y) / 2};
        const double dx = to.x - from.x;
        const double dy = to.y - from.y;
        const double length = std::hypot(dx, dy);
        if (length < 1) return {.x = bend.x + cell_width_, .y = bend.y - least_height / 2};  // to itself
        const unsigned pair = (parallel + 1) / 2;
        double aside = pair * (parallel % 2 == 0 ? 60.0 : -60.0);
        if (std::abs(dy) < 1 && std::abs(dx) > 1.5 * cell_width_ && stands_between(from, to)) {
            // Over what stands there.
            aside = -(60 + 0.12 * std::abs(dx)) * (dx > 0 ? 1 : -1) - aside;
        }
        bend.x -= dy / length * aside;
        bend.y += dx / length * aside;
        return bend;
    }

    // A node, in the row of these two.
    [[nodiscard]] bool stands_between(Point a, Point b) const noexcept {
        const double left = std::min(a.x, b.x);
        const double right = std::max(a.x, b.x);
        return std::ranges::any_of(layout_.nodes, [&](const Point& node) {
            return std::abs(node.y - a.y) < 1 && node.x > left + 1 && node.x < right - 1;
        });
    }

    const Topology* topology_;
    const LinkFigures* figures_;
    std::vector<unsigned> degrees_;
    double cell_width_ = least_width;
    Layout layout_;
    std::map<std::pair<NodeIndex, NodeIndex>, unsigned> parallel_;
    std::vector<Curve> curves_;
    LabelPlacer placer_;
    // What has been drawn.
    double left_ = std::numeric_limits<double>::max();
    double right_ = std::numeric_limits<double>::lowest();
    double top_ = left_;
    double bottom_ = right_;
    std::string links_;
    std::string nodes_;
    std::string labels_;
};

}  // namespace

std::string to_svg(const Topology& topology, const LinkFigures& figures) {
    return Drawing{topology, figures}.svg();
}

}  // namespace weft::lab
