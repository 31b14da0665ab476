#include "telemetry/metrics_text.h"

#include <charconv>

namespace telemetry {
namespace {

template <class Number>
void append_number(std::string& out, Number value) {
  char digits[32];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

double seconds_of(int64_t ns) { return static_cast<double>(ns) / 1e9; }

}  // namespace

Labels& Labels::add(std::string_view name, std::string_view value) {
  if (value.empty()) return *this;
  if (!text_.empty()) text_ += ',';
  text_ += name;
  text_ += "=\"";
  for (char c : value) {
    if (c == '\\' || c == '"') text_ += '\\';
    if (c == '\n') {
      text_ += "\\n";
    } else {
      text_ += c;
    }
  }
  text_ += '"';
  return *this;
}

void MetricsText::begin(std::string_view type, std::string_view name, std::string_view help) {
  family_ = name;
  out_.append("# HELP ").append(name).append(" ").append(help);
  out_.append("\n# TYPE ").append(name).append(" ").append(type).append("\n");
}

void MetricsText::name_and_labels(std::string_view suffix, const Labels& labels, std::string_view bound) {
  out_.append(family_).append(suffix);
  if (!labels.text().empty() || !bound.empty()) {
    out_ += '{';
    out_ += labels.text();
    if (!bound.empty()) {
      if (!labels.text().empty()) out_ += ',';
      out_.append("le=\"").append(bound).append("\"");
    }
    out_ += '}';
  }
  out_ += ' ';
}

void MetricsText::sample(const Labels& labels, uint64_t value) {
  name_and_labels("", labels, "");
  append_number(out_, value);
  out_ += '\n';
}

void MetricsText::sample(const Labels& labels, int64_t value) {
  name_and_labels("", labels, "");
  append_number(out_, value);
  out_ += '\n';
}

void MetricsText::sample(const Labels& labels, double value) {
  name_and_labels("", labels, "");
  append_number(out_, value);
  out_ += '\n';
}

// _count is the sum of the buckets read, so that a histogram agrees with itself whatever is counted
// meanwhile.
void MetricsText::sample(const Labels& labels, const HistogramValues& values) {
  uint64_t below = 0;
  for (size_t i = 0; i < values.buckets.size(); ++i) {
    below += values.buckets[i];
    std::string bound;
    if (i < values.bounds_ns.size()) {
      append_number(bound, seconds_of(values.bounds_ns[i]));
    } else {
      bound = "+Inf";
    }
    name_and_labels("_bucket", labels, bound);
    append_number(out_, below);
    out_ += '\n';
  }
  name_and_labels("_sum", labels, "");
  append_number(out_, seconds_of(static_cast<int64_t>(values.sum_ns)));
  out_ += '\n';
  name_and_labels("_count", labels, "");
  append_number(out_, below);
  out_ += '\n';
}

}  // namespace telemetry
