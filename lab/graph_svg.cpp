#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "lab/graph.h"
#include "lab/graph_layout.h"
#include "lab/graph_text.h"

namespace weft::lab {

namespace {

constexpr double cell_width = 170;
constexpr double cell_height = 150;
constexpr double line_height = 14;
constexpr double margin = 20;
constexpr double character_width = 6.6;  // of 11 px sans-serif, about

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
        : topology_(&topology),
          figures_(&figures),
          degrees_(degrees_of(topology)),
          layout_(lay_out(topology, cell_width, cell_height)) {}

    std::string svg() {
        for (LinkIndex i = 0; i < topology_->links.size(); ++i) add_link(i);
        for (NodeIndex i = 0; i < topology_->nodes.size(); ++i) add_node(i);
        const double width = layout_.width + 2 * margin;
        const double height = layout_.height + 2 * margin + highest_;
        std::string out = fmt::format(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0:.0f}\" height=\"{1:.0f}\" viewBox=\"0 "
            "{2:.0f} {0:.0f} {1:.0f}\">\n"
            "<title>{3}</title>\n{4}<rect x=\"0\" y=\"{2:.0f}\" width=\"{0:.0f}\" height=\"{1:.0f}\" "
            "fill=\"#fff\"/>\n",
            width, height, 0 - highest_, escaped(topology_->name), style);
        return out + links_ + nodes_ + labels_ + "</svg>\n";
    }

  private:
    [[nodiscard]] Point at(NodeIndex node) const noexcept {
        return {.x = layout_.nodes[node].x + margin, .y = layout_.nodes[node].y + margin};
    }

    void add_node(NodeIndex index) {
        const auto lines = node_lines(*topology_, index, degrees_);
        std::size_t longest = 6;
        for (const std::string& line : lines) longest = std::max(longest, line.size());
        const double width = std::min(static_cast<double>(longest) * character_width + 16, cell_width - 8);
        const double height = static_cast<double>(lines.size()) * line_height + 12;
        const auto [x, y] = at(index);
        const NodeKind kind = node_kind(topology_->nodes[index]);
        const double corner = kind == NodeKind::router ? height / 2 : kind == NodeKind::switch_ ? 2 : 6;
        nodes_ += fmt::format(
            "<rect class=\"node {}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\" "
            "rx=\"{:.1f}\"/>\n",
            to_string(kind), x - width / 2, y - height / 2, width, height, corner);
        for (std::size_t i = 0; i < lines.size(); ++i) {
            const double baseline = y - height / 2 + 6 + static_cast<double>(i + 1) * line_height - 3;
            nodes_ += fmt::format("<text class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n",
                                  i == 0 ? "name" : "line", x, baseline, escaped(lines[i]));
        }
    }

    // Straight; or a curve, where another node or another link of the same two nodes is in the way.
    void add_link(LinkIndex index) {
        const Link& link = topology_->links[index];
        const auto [a, b] = std::minmax(link.ends[0].node, link.ends[1].node);
        const Point from = at(link.ends[0].node);
        const Point to = at(link.ends[1].node);
        const unsigned parallel = parallel_[{a, b}]++;
        const Point bend = bend_of(from, to, parallel);
        const auto& [there, back] = link.impairment;
        const std::string_view kind = !there.up || !back.up                         ? " down"
                                      : there.does_nothing() && back.does_nothing() ? ""
                                                                                    : " impaired";
        links_ += fmt::format(
            "<path class=\"link{}\" d=\"M{:.1f} {:.1f} Q{:.1f} {:.1f} {:.1f} "
            "{:.1f}\"><title>{}</title></path>\n",
            kind, from.x, from.y, bend.x, bend.y, to.x, to.y, escaped(link.name));

        const auto lines = link_lines(link, index, *figures_);
        const bool has_figure = figures_->contains(index);
        const Point middle = on_curve(from, bend, to, 0.5);
        for (std::size_t i = 0; i < lines.size(); ++i) {
            const double y =
                middle.y + (static_cast<double>(i) - static_cast<double>(lines.size() - 1) / 2) * 12 + 3;
            add_label(middle.x, y, lines[i], has_figure && i + 1 == lines.size());
        }
        add_end(link.ends[0], on_curve(from, bend, to, 0.27));
        add_end(link.ends[1], on_curve(from, bend, to, 0.73));
    }

    void add_end(const LinkEnd& end, Point place) {
        const std::string text = end_text(*topology_, end, degrees_);
        if (!text.empty()) add_label(place.x, place.y + 3, text, false);
    }

    void add_label(double x, double y, std::string_view text, bool is_figure) {
        labels_ += fmt::format("<text class=\"on-link{}\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n",
                               is_figure ? " figure" : "", x, y, escaped(text));
    }

    Point bend_of(Point from, Point to, unsigned parallel) {
        Point bend{.x = (from.x + to.x) / 2, .y = (from.y + to.y) / 2};
        const double dx = to.x - from.x;
        const double dy = to.y - from.y;
        const double length = std::hypot(dx, dy);
        if (length < 1) return {.x = bend.x + cell_width, .y = bend.y - cell_height / 2};  // to itself
        double aside = static_cast<double>((parallel + 1) / 2) * (parallel % 2 == 0 ? 60 : -60);
        if (std::abs(dy) < 1 && std::abs(dx) > 1.5 * cell_width) {
            // In one row, and not side by side: over what stands between.
            aside = -(60 + 0.12 * std::abs(dx)) * (dx > 0 ? 1 : -1) - aside;
        }
        bend.x -= dy / length * aside;
        bend.y += dx / length * aside;
        highest_ = std::max(highest_, -(bend.y + from.y) / 2 + margin);
        return bend;
    }

    static Point on_curve(Point from, Point bend, Point to, double t) noexcept {
        const double a = (1 - t) * (1 - t);
        const double b = 2 * t * (1 - t);
        const double c = t * t;
        return {.x = a * from.x + b * bend.x + c * to.x, .y = a * from.y + b * bend.y + c * to.y};
    }

    const Topology* topology_;
    const LinkFigures* figures_;
    std::vector<unsigned> degrees_;
    Layout layout_;
    std::map<std::pair<NodeIndex, NodeIndex>, unsigned> parallel_;
    double highest_ = 0;  // what curves need above the first row
    std::string links_;
    std::string nodes_;
    std::string labels_;
};

}  // namespace

std::string to_svg(const Topology& topology, const LinkFigures& figures) {
    return Drawing{topology, figures}.svg();
}

}  // namespace weft::lab
