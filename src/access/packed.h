// Numbers and texts one behind the other, for what the gate seals or stores and reads back itself. Texts
// stand behind their length, and each value has one form only: two lists of values are never packed alike, so
// that what is packed can be authenticated.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace auth {

class Packer {
 public:
  void add_number(uint64_t number);
  void add_text(std::string_view text);
  void add_texts(const std::vector<std::string>& texts);
  std::string take() { return std::move(out_); }

 private:
  std::string out_;
};

// Reads values in the order in which they were added. After the first that is not there all that follow are 0
// or empty: ask complete() at the end.
class Unpacker {
 public:
  explicit Unpacker(std::string_view packed) : rest_(packed) {}
  uint64_t take_number();
  std::string_view take_text();  // points into what was packed
  std::vector<std::string> take_texts();
  // Every value was there, in its one form, and nothing is left.
  bool complete() const { return sound_ && rest_.empty(); }

 private:
  std::string_view rest_;
  bool sound_ = true;
};

}  // namespace auth
