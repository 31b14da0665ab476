#include "access/packed.h"

namespace auth {

// Seven bits a byte, the lowest first; the eighth says that another follows.
void Packer::add_number(uint64_t number) {
  for (; number >= 0x80; number >>= 7) out_ += static_cast<char>(number | 0x80);
  out_ += static_cast<char>(number);
}

void Packer::add_text(std::string_view text) {
  add_number(text.size());
  out_ += text;
}

void Packer::add_texts(const std::vector<std::string>& texts) {
  add_number(texts.size());
  for (const std::string& text : texts) add_text(text);
}

uint64_t Unpacker::take_number() {
  uint64_t number = 0;
  for (size_t at = 0; sound_ && at < rest_.size(); ++at) {
    const auto byte = static_cast<uint8_t>(rest_[at]);
    const bool too_large = at == 9 && byte > 1;  // 63 bits stand before it
    const bool longer_than_needed = at > 0 && byte == 0;
    if (too_large || longer_than_needed) break;
    number |= static_cast<uint64_t>(byte & 0x7F) << (7 * at);
    if (byte < 0x80) {
      rest_.remove_prefix(at + 1);
      return number;
    }
  }
  sound_ = false;
  return 0;
}

std::string_view Unpacker::take_text() {
  const uint64_t size = take_number();
  if (size > rest_.size()) sound_ = false;
  if (!sound_) return {};
  const std::string_view text = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return text;
}

std::vector<std::string> Unpacker::take_texts() {
  const uint64_t count = take_number();
  std::vector<std::string> texts;
  // Each takes a byte at least, so that a count of what is not there ends early.
  for (uint64_t i = 0; i < count && sound_; ++i) texts.emplace_back(take_text());
  return texts;
}

}  // namespace auth
