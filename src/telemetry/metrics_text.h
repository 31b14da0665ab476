// Writes the Prometheus text format 0.0.4: families, labels and their escaping, numbers. Knows the format and
// no metric; exposition.cc, and whoever adds families of its own to a scrape, say what there is.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace telemetry {

// The inside of the braces, built once and used for every sample of a series.
class Labels {
 public:
  // An empty value is an absent label, as in Prometheus itself.
  Labels& add(std::string_view name, std::string_view value);
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

struct HistogramValues {
  std::span<const int64_t> bounds_ns;  // upper bounds, inclusive
  std::span<const uint64_t> buckets;   // one more than bounds; not cumulative
  uint64_t sum_ns = 0;
};

class MetricsText {
 public:
  void begin_counter(std::string_view name, std::string_view help) { begin("counter", name, help); }
  void begin_gauge(std::string_view name, std::string_view help) { begin("gauge", name, help); }
  void begin_histogram(std::string_view name, std::string_view help) { begin("histogram", name, help); }

  // Samples of the family that was begun last.
  void sample(const Labels& labels, uint64_t value);
  void sample(const Labels& labels, int64_t value);
  void sample(const Labels& labels, double value);
  void sample(const Labels& labels, const HistogramValues& values);

  std::string take() { return std::move(out_); }

 private:
  void begin(std::string_view type, std::string_view name, std::string_view help);
  void name_and_labels(std::string_view suffix, const Labels& labels, std::string_view bound);

  std::string out_;
  std::string family_;
};

}  // namespace telemetry
