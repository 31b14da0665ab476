#include "control/state_folder.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace control {
namespace {

// A file of another name beside it, written whole. Empty: errno says why not, and nothing is left.
std::string write_beside(const std::string& path, std::string_view text, mode_t mode) {
  std::string beside = path + ".XXXXXX";
  const int file = mkostemp(beside.data(), O_CLOEXEC);
  if (file < 0) return {};
  const bool whole = fchmod(file, mode) == 0 &&
                     write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
                     fsync(file) == 0;
  const int why = errno;
  close(file);
  if (whole) return beside;
  unlink(beside.c_str());
  errno = why;
  return {};
}

}  // namespace

bool write_new_file(const std::string& path, std::string_view text, mode_t mode) {
  const std::string beside = write_beside(path, text, mode);
  if (beside.empty()) return false;
  const bool placed =
      link(beside.c_str(), path.c_str()) == 0;  // fails where there is one, as rename does not
  const int why = errno;
  unlink(beside.c_str());
  errno = why;
  return placed;
}

bool replace_file(const std::string& path, std::string_view text, mode_t mode) {
  const std::string beside = write_beside(path, text, mode);
  if (beside.empty()) return false;
  if (rename(beside.c_str(), path.c_str()) == 0) return true;
  const int why = errno;
  unlink(beside.c_str());
  errno = why;
  return false;
}

std::string make_state_folder(const std::string& gate_folder) {
  std::string path = gate_folder + "/" + std::string(kStateFolder);
  mkdir(path.c_str(), 0700);
  chmod(path.c_str(), 0700);
  write_new_file(path + "/.gitignore", "*\n", 0644);
  return path;
}

}  // namespace control
