#include "control/session_keys.h"

#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "control/test_full_disk.h"
#include "gtest/gtest.h"

namespace control {
namespace {

constexpr base::WallTime kNow{1'800'000'000'000'000'000};
constexpr base::Duration kHour = base::seconds(3600);
constexpr base::Duration kDay = kHour * 24;
constexpr auth::Sealer::Binding kBinding{.purpose = "session", .provider = "staff", .host = "a.example"};

class SessionKeysTest : public ::testing::Test {
 protected:
  SessionKeysTest() {
    std::string name = ::testing::TempDir() + "session_keys_XXXXXX";
    folder_ = mkdtemp(name.data());
    path_ = folder_ + "/.gatehouse/session-keys";
    settings_.limits.lifetime = kHour * 12;
  }
  ~SessionKeysTest() override { std::filesystem::remove_all(folder_); }

  SessionKeys gate() { return {folder_, random_}; }
  std::string seal(const auth::Sealer& sealer) { return sealer.seal("who", kBinding, random_); }
  static bool opens(const auth::Sealer& sealer, const std::string& sealed) {
    return sealer.open(sealed, kBinding) == "who";
  }
  std::string text() const {
    std::ifstream file(path_);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  std::vector<SessionKey> kept() const {
    return parse_session_keys(text()).value_or(std::vector<SessionKey>());
  }
  void write(const std::string& text) {
    std::filesystem::create_directories(folder_ + "/.gatehouse");
    std::ofstream(path_) << text;
  }

  std::string folder_;
  std::string path_;
  crypto::SystemRandom random_;
  config::SessionSettings settings_;
};

TEST_F(SessionKeysTest, TheKeyMadeIsKeptForTheGatesUserAlone) {
  SessionKeys keys = gate();
  const auto sealer = keys.make_sealer(settings_, kNow);
  const std::string sealed = seal(*sealer);
  EXPECT_TRUE(opens(*sealer, sealed));
  EXPECT_EQ(kept().size(), 1u);
  EXPECT_EQ(kept()[0].made, kNow);
  struct stat status{};
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777u, 0600u);
  // After a restart, and as long as nothing changes the same object.
  SessionKeys again = gate();
  const auto other = again.make_sealer(settings_, kNow + kDay);
  EXPECT_TRUE(opens(*other, sealed));
  EXPECT_EQ(again.make_sealer(settings_, kNow + kDay * 2), other);
  EXPECT_EQ(keys.make_sealer(settings_, kNow + kDay * 2), sealer);
}

TEST_F(SessionKeysTest, AKeyIsReplacedAfter30DaysAndSealsADayLater) {
  SessionKeys keys = gate();
  const auto first = keys.make_sealer(settings_, kNow);
  const std::string by_first = seal(*first);
  EXPECT_EQ(keys.make_sealer(settings_, kNow + kDay * 30 + base::nanoseconds(-1)), first);
  // Known to all, not used yet.
  const base::WallTime rotated = kNow + kDay * 30;
  const auto second = keys.make_sealer(settings_, rotated);
  ASSERT_NE(second, first);
  EXPECT_EQ(kept().size(), 2u);
  EXPECT_TRUE(opens(*second, by_first));
  EXPECT_TRUE(opens(*first, seal(*second)));
  EXPECT_EQ(keys.make_sealer(settings_, rotated + kDay + base::nanoseconds(-1)), second);
  // Used, and what the first sealed is still opened.
  const auto third = keys.make_sealer(settings_, rotated + kDay);
  ASSERT_NE(third, second);
  const std::string by_third = seal(*third);
  EXPECT_FALSE(opens(*first, by_third));
  EXPECT_TRUE(opens(*second, by_third));
  EXPECT_TRUE(opens(*third, by_first));
  // Until the last session that the first sealed has ended, on a gate that noticed a day late.
  const base::WallTime gone = rotated + kDay * 2 + settings_.limits.lifetime;
  EXPECT_EQ(keys.make_sealer(settings_, gone + base::nanoseconds(-1)), third);
  const auto fourth = keys.make_sealer(settings_, gone);
  EXPECT_FALSE(opens(*fourth, by_first));
  EXPECT_TRUE(opens(*fourth, by_third));
  EXPECT_EQ(kept().size(), 1u);
}

TEST_F(SessionKeysTest, WithLongSessionsThreeKeysAreInUse) {
  settings_.limits.lifetime = kDay * 30;
  SessionKeys keys = gate();
  const std::string by_first = seal(*keys.make_sealer(settings_, kNow));
  for (int day = 1; day <= 61; ++day) {
    const auto sealer = keys.make_sealer(settings_, kNow + kDay * day);
    EXPECT_TRUE(opens(*sealer, by_first)) << day;
  }
  EXPECT_EQ(kept().size(), 3u);
  EXPECT_FALSE(opens(*keys.make_sealer(settings_, kNow + kDay * 62), by_first));
}

TEST_F(SessionKeysTest, ALongPauseLogsNobodyOut) {
  const std::string by_first = seal(*gate().make_sealer(settings_, kNow));
  SessionKeys keys = gate();
  const base::WallTime back = kNow + kDay * 300;
  EXPECT_TRUE(opens(*keys.make_sealer(settings_, back), by_first));
  EXPECT_TRUE(opens(*keys.make_sealer(settings_, back + kDay), by_first));
}

TEST_F(SessionKeysTest, GatesThatStartAtOnceHaveTheSameKeys) {
  for (int round = 0; round < 20; ++round) {
    std::filesystem::remove_all(folder_ + "/.gatehouse");
    std::shared_ptr<const auth::Sealer> sealers[4];
    std::vector<std::thread> threads;
    for (auto& place : sealers) {
      threads.emplace_back([&] {
        SessionKeys keys = gate();
        place = keys.make_sealer(settings_, kNow);
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const auto& one : sealers) {
      for (const auto& other : sealers) EXPECT_TRUE(opens(*other, seal(*one)));
    }
  }
}

TEST_F(SessionKeysTest, GatesThatReplaceAKeyAtOnceOpenEachOthersSessions) {
  SessionKeys a = gate();
  SessionKeys b = gate();
  a.make_sealer(settings_, kNow);
  b.make_sealer(settings_, kNow);
  // Both read the file before either has written it.
  const std::string before = text();
  const base::WallTime rotated = kNow + kDay * 30;
  auto of_a = a.make_sealer(settings_, rotated);
  write(before);
  auto of_b = b.make_sealer(settings_, rotated);
  for (base::Duration later : {base::seconds(0), kHour, kDay - kHour, kDay, kDay + kHour}) {
    of_b = b.make_sealer(settings_, rotated + later);
    EXPECT_TRUE(opens(*of_b, seal(*of_a))) << later.seconds();
    EXPECT_TRUE(opens(*of_a, seal(*of_b))) << later.seconds();
    of_a = a.make_sealer(settings_, rotated + later);
    EXPECT_TRUE(opens(*of_a, seal(*of_b))) << later.seconds();
  }
}

TEST_F(SessionKeysTest, WithoutAFolderToWriteKeysEndWithTheProcess) {
  // Where the folder should be stands a file; and no folder at all.
  std::ofstream(folder_ + "/.gatehouse") << "x";
  for (const std::string& folder : {folder_, folder_ + "/nothing/here"}) {
    SessionKeys keys(folder, random_);
    const auto sealer = keys.make_sealer(settings_, kNow);
    EXPECT_TRUE(opens(*sealer, seal(*sealer)));
    EXPECT_EQ(keys.make_sealer(settings_, kNow + kDay), sealer);
    // Replaced there as well.
    const std::string sealed = seal(*sealer);
    const auto later = keys.make_sealer(settings_, kNow + kDay * 31);
    EXPECT_NE(later, sealer);
    EXPECT_TRUE(opens(*later, sealed));
    SessionKeys other(folder, random_);
    EXPECT_FALSE(opens(*other.make_sealer(settings_, kNow), sealed));
  }
  // Kept as soon as they can be.
  SessionKeys keys = gate();
  const auto sealer = keys.make_sealer(settings_, kNow);
  std::filesystem::remove(folder_ + "/.gatehouse");
  EXPECT_EQ(keys.make_sealer(settings_, kNow + kHour), sealer);
  EXPECT_EQ(kept().size(), 1u);
  EXPECT_TRUE(opens(*gate().make_sealer(settings_, kNow + kHour), seal(*sealer)));
}

TEST_F(SessionKeysTest, AKeyThatCannotBeReplacedGoesOnSealing) {
  SessionKeys keys = gate();
  const auto sealer = keys.make_sealer(settings_, kNow);
  const std::string before = text();
  {
    testing::FullDisk full;
    EXPECT_EQ(keys.make_sealer(settings_, kNow + kDay * 32), sealer);
  }
  EXPECT_EQ(text(), before);
  EXPECT_NE(keys.make_sealer(settings_, kNow + kDay * 32), sealer);
  EXPECT_EQ(kept().size(), 2u);
}

TEST_F(SessionKeysTest, AFileThatCannotBeReadIsLeftAlone) {
  write("something else\n");
  SessionKeys keys = gate();
  const auto sealer = keys.make_sealer(settings_, kNow);
  EXPECT_TRUE(opens(*sealer, seal(*sealer)));
  EXPECT_EQ(keys.make_sealer(settings_, kNow), sealer);
  EXPECT_EQ(text(), "something else\n");
}

TEST_F(SessionKeysTest, SecretsMakeTheSameKeysEverywhere) {
  const std::string one = "a secret of at least thirty-two bytes";
  const std::string two = "another secret of thirty-two bytes or more";
  settings_.secrets = {one};
  SessionKeys keys = gate();
  const auto first = keys.make_sealer(settings_, kNow);
  const std::string by_first = seal(*first);
  EXPECT_FALSE(std::filesystem::exists(path_));
  EXPECT_EQ(keys.make_sealer(settings_, kNow + kDay * 100), first);
  EXPECT_TRUE(opens(*SessionKeys("/elsewhere", random_).make_sealer(settings_, kNow), by_first));
  // The first seals, all open.
  settings_.secrets = {two, one};
  const auto both = keys.make_sealer(settings_, kNow);
  EXPECT_NE(both, first);
  EXPECT_TRUE(opens(*both, by_first));
  EXPECT_FALSE(opens(*first, seal(*both)));
  settings_.secrets = {two};
  EXPECT_FALSE(opens(*keys.make_sealer(settings_, kNow), by_first));
  settings_.secrets = {};
  EXPECT_FALSE(opens(*keys.make_sealer(settings_, kNow), by_first));
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST(SessionKeysText, IsReadBackStrictly) {
  SessionKey newer{.key = {}, .made = kNow};
  newer.key.bytes.fill(0xAB);
  SessionKey older{.key = {}, .made = {kNow.ns - kDay.ns}};
  const std::string text = session_keys_text({newer, older});
  EXPECT_EQ(parse_session_keys(text), (std::vector<SessionKey>{newer, older}));
  for (size_t size = 0; size < text.size(); ++size) {
    const auto cut = parse_session_keys(text.substr(0, size));
    // A whole line less is a file of one key.
    EXPECT_TRUE(!cut || *cut == std::vector<SessionKey>{newer}) << size;
  }
  const std::string line =
      text.substr(text.find('\n') + 1, text.find('\n', text.find('\n') + 1) - text.find('\n'));
  EXPECT_TRUE(parse_session_keys(line));
  for (std::string wrong :
       {std::string(), std::string("\n"), std::string("# nothing\n"), line + "\n", " " + line,
        "2027-01-15 " + std::string(64, 'a') + "\n", "2027-01-15T08:00:00Z " + std::string(62, 'a') + "\n",
        "2027-01-15T08:00:00Z " + std::string(66, 'a') + "\n",
        "2027-01-15T08:00:00Z " + std::string(64, 'g') + "\n",
        "2027-01-15T08:00:00Z  " + std::string(64, 'a') + "\n", session_keys_text({older, newer}),
        session_keys_text(std::vector<SessionKey>(17, newer))}) {
    EXPECT_FALSE(parse_session_keys(wrong)) << wrong;
  }
}

}  // namespace
}  // namespace control
