// Scans: bounds, prefixes, both orders, seeking, turning round, the ends.

#include <string>

#include <gtest/gtest.h>

#include "aidb/kv/conformance_trial.h"

namespace aidb::kv {
namespace {

using std::string_literals::operator""s;
using KeyList = std::vector<std::string>;

constexpr ScanOrder kBothOrders[] = {ScanOrder::kForward, ScanOrder::kReverse};

// b, d, f, h, half of them in tables, with deleted keys between: a, c, e, g, i.
void PutLetters(Trial& trial) {
  for (const char* key : {"a", "b", "c", "f", "g", "h"}) trial.Put(key, "old");
  trial.Flush();
  for (const char* key : {"d", "e", "f", "i"}) trial.Put(key, key + "'"s);
  for (const char* key : {"a", "c", "e", "g", "i"}) trial.Delete(key);
}

KeyList InOrder(KeyList keys, ScanOrder order) {
  return order == ScanOrder::kForward ? keys : KeyList(keys.rbegin(), keys.rend());
}

// "key" when valid, "end" past an end, the error otherwise.
std::string Here(const Iterator& iterator) {
  if (iterator.Valid()) return std::string(iterator.key());
  return iterator.status().ok() ? "end" : iterator.status().ToString();
}

void AScanIsPositionedOnTheFirstKeyInItsOrder(Subject& subject) {
  Trial trial(subject);
  PutLetters(trial);
  EXPECT_EQ(Here(trial.store().Scan({})), "b");
  EXPECT_EQ(Here(trial.store().Scan({.order = ScanOrder::kReverse})), "h");
  EXPECT_EQ(Here(trial.store().Scan({.lower = "c"})), "d");
  EXPECT_EQ(Here(trial.store().Scan({.upper = "g", .order = ScanOrder::kReverse})), "f");
}

void AScanVisitsEachVisibleKeyOnceWithItsNewestValue(Subject& subject) {
  Trial trial(subject);
  PutLetters(trial);
  const Pairs expected = {{"b", "old"}, {"d", "d'"}, {"f", "f'"}, {"h", "old"}};
  EXPECT_EQ(trial.Scan(), expected);
  EXPECT_EQ(trial.Scan({.order = ScanOrder::kReverse}), Pairs(expected.rbegin(), expected.rend()));
  EXPECT_EQ(trial.Scan({.fill_cache = false}), expected);
}

void AScanOfAnEmptyStoreEndsAtOnce(Subject& subject) {
  Trial trial(subject);
  for (const ScanOrder order : kBothOrders) {
    Iterator iterator = trial.store().Scan({.order = order});
    EXPECT_EQ(Here(iterator), "end");
    iterator.Seek("a");
    EXPECT_EQ(Here(iterator), "end");
    iterator.SeekForPrev("a");
    EXPECT_EQ(Here(iterator), "end");
    iterator.SeekToEnd();
    EXPECT_EQ(Here(iterator), "end");
  }
}

void TheLowerBoundIsIncludedAndTheUpperIsNot(Subject& subject) {
  Trial trial(subject);
  PutLetters(trial);
  for (const ScanOrder order : kBothOrders) {
    const auto keys = [&](std::string_view lower, std::string_view upper) {
      return trial.Keys({.lower = lower, .upper = upper, .order = order});
    };
    EXPECT_EQ(keys("d", "h"), InOrder({"d", "f"}, order));
    EXPECT_EQ(keys("c", "g"), InOrder({"d", "f"}, order));
    EXPECT_EQ(keys("d", "h\0"s), InOrder({"d", "f", "h"}, order));
    EXPECT_EQ(keys("d\0"s, "h"), InOrder({"f"}, order));
    EXPECT_EQ(keys("", "z"), InOrder({"b", "d", "f", "h"}, order));
    EXPECT_EQ(trial.Keys({.lower = "f", .order = order}), InOrder({"f", "h"}, order));
    EXPECT_EQ(trial.Keys({.upper = "f", .order = order}), InOrder({"b", "d"}, order));
  }
}

void AnEmptyRangeIsNoErrorAndHasNoKeys(Subject& subject) {
  Trial trial(subject);
  PutLetters(trial);
  trial.Put("", "empty key");
  const std::string behind_d = "d\0"s;
  const std::string behind_that = "d\0\0"s;
  for (const ScanOrder order : kBothOrders) {
    for (const ScanOptions& options :
         {ScanOptions{.lower = "d", .upper = "d", .order = order},
          ScanOptions{.lower = "h", .upper = "b", .order = order},
          ScanOptions{.upper = "", .order = order},
          ScanOptions{.lower = behind_d, .upper = behind_that, .order = order},
          ScanOptions{.upper = "b", .prefix = "d", .order = order}}) {
      Iterator iterator = trial.store().Scan(options);
      EXPECT_EQ(Here(iterator), "end");
      iterator.Seek("d");
      EXPECT_EQ(Here(iterator), "end");
      iterator.SeekForPrev("h");
      EXPECT_EQ(Here(iterator), "end");
      iterator.SeekToEnd();
      EXPECT_EQ(Here(iterator), "end");
      iterator.SeekToStart();
      EXPECT_EQ(Here(iterator), "end");
    }
  }
}

void APrefixIsShorthandForBounds(Subject& subject) {
  Trial trial(subject);
  for (const char* key : {"", "a", "ab", "abc", "abd", "ab\xFF", "ab\xFF\xFF", "ac", "b"}) {
    trial.Put(key, "v");
  }
  trial.Flush();
  for (const ScanOrder order : kBothOrders) {
    const auto keys = [&](std::string_view prefix) {
      return trial.Keys({.prefix = prefix, .order = order});
    };
    EXPECT_EQ(keys("ab"), InOrder({"ab", "abc", "abd", "ab\xFF", "ab\xFF\xFF"}, order));
    EXPECT_EQ(keys("ab\xFF"), InOrder({"ab\xFF", "ab\xFF\xFF"}, order));
    EXPECT_EQ(keys("abcd"), KeyList{});
    EXPECT_EQ(keys("").size(), 9u);
    EXPECT_EQ(trial.Keys({.lower = "abd", .upper = "ab\xFF\xFF", .prefix = "ab", .order = order}),
              InOrder({"abd", "ab\xFF"}, order));
    EXPECT_EQ(trial.Keys({.lower = "a", .upper = "b", .prefix = "ab", .order = order}).size(), 5u);
  }
}

void APrefixOf0xFFBytesReachesTheLastKey(Subject& subject) {
  Trial trial(subject);
  for (const char* key : {"a", "\xFE", "\xFE\xFF", "\xFF", "\xFF\x01", "\xFF\xFF", "\xFF\xFFz"}) {
    trial.Put(key, "v");
  }
  for (const ScanOrder order : kBothOrders) {
    const auto keys = [&](std::string_view prefix) {
      return trial.Keys({.prefix = prefix, .order = order});
    };
    EXPECT_EQ(keys("\xFF"), InOrder({"\xFF", "\xFF\x01", "\xFF\xFF", "\xFF\xFFz"}, order));
    EXPECT_EQ(keys("\xFF\xFF"), InOrder({"\xFF\xFF", "\xFF\xFFz"}, order));
    EXPECT_EQ(keys("\xFE\xFF"), InOrder({"\xFE\xFF"}, order));
    EXPECT_EQ(keys("\xFF\xFF\xFF"), KeyList{});
  }
}

void BoundsAreCopied(Subject& subject) {
  Trial trial(subject);
  PutLetters(trial);
  std::string lower = "c";
  std::string upper = "g";
  Iterator iterator = trial.store().Scan({.lower = lower, .upper = upper});
  lower = "h";
  upper = "a";
  iterator.SeekToStart();
  EXPECT_EQ(Here(iterator), "d");
  iterator.SeekToEnd();
  EXPECT_EQ(Here(iterator), "f");
}

void SeekFindsTheFirstKeyAtOrAboveInBothOrders(Subject& subject) {
  Trial trial(subject);
  PutLetters(trial);
  for (const ScanOrder order : kBothOrders) {
    Iterator iterator = trial.store().Scan({.order = order});
    const std::pair<std::string, std::string> cases[] = {{"", "b"},
                                                         {"a", "b"},
                                                         {"b", "b"},
                                                         {"b\0"s, "d"},
                                                         {"c", "d"},
                                                         {"d\xFF", "f"},
                                                         {"g", "h"},
                                                         {"h", "h"},
                                                         {"h\0"s, "end"},
                                                         {"z", "end"},
                                                         {std::string(kKeyBytesMax + 1, 'c'), "d"}};
    for (const auto& [sought, found] : cases) {
      iterator.Seek(sought);
      EXPECT_EQ(Here(iterator), found) << sought.substr(0, 10);
    }
  }
}

void SeekForPrevFindsTheLastKeyAtOrBelowInBothOrders(Subject& subject) {
  Trial trial(subject);
  PutLetters(trial);
  for (const ScanOrder order : kBothOrders) {
    Iterator iterator = trial.store().Scan({.order = order});
    const std::pair<std::string, std::string> cases[] = {
        {"", "end"}, {"a", "end"},
        {"b", "b"},  {"b\0"s, "b"},
        {"c", "b"},  {"d\xFF", "d"},
        {"g", "f"},  {"h", "h"},
        {"z", "h"},  {std::string(kKeyBytesMax + 1, 'c'), "b"}};
    for (const auto& [sought, found] : cases) {
      iterator.SeekForPrev(sought);
      EXPECT_EQ(Here(iterator), found) << sought.substr(0, 10);
    }
  }
}

void SeekAndSeekForPrevAreClampedToTheBounds(Subject& subject) {
  Trial trial(subject);
  PutLetters(trial);
  for (const ScanOrder order : kBothOrders) {
    Iterator iterator = trial.store().Scan({.lower = "c", .upper = "h", .order = order});
    const std::pair<std::string, std::string> seeks[] = {
        {"", "d"}, {"b", "d"}, {"c", "d"}, {"e", "f"}, {"g", "end"}, {"h", "end"}, {"z", "end"}};
    for (const auto& [sought, found] : seeks) {
      iterator.Seek(sought);
      EXPECT_EQ(Here(iterator), found) << sought;
    }
    const std::pair<std::string, std::string> seeks_for_prev[] = {
        {"z", "f"}, {"h", "f"}, {"g", "f"}, {"e", "d"}, {"c", "end"}, {"b", "end"}, {"", "end"}};
    for (const auto& [sought, found] : seeks_for_prev) {
      iterator.SeekForPrev(sought);
      EXPECT_EQ(Here(iterator), found) << sought;
    }
  }
}

void PastEitherEndItIsInvalidWithoutErrorAndASeekLeadsBack(Subject& subject) {
  Trial trial(subject);
  PutLetters(trial);
  for (const ScanOrder order : kBothOrders) {
    Iterator iterator = trial.store().Scan({.lower = "d", .upper = "g", .order = order});
    iterator.SeekToEnd();
    iterator.Next();
    EXPECT_EQ(Here(iterator), "end");
    iterator.SeekToStart();
    EXPECT_EQ(Here(iterator), order == ScanOrder::kForward ? "d" : "f");
    iterator.Prev();
    EXPECT_EQ(Here(iterator), "end");
    iterator.Seek("e");
    EXPECT_EQ(Here(iterator), "f");
  }
}

void ItTurnsRoundAtAnyPoint(Subject& subject) {
  Trial trial(subject);
  for (int i = 0; i < 60; ++i) trial.Put(NumberedKey(i), "old");
  trial.Flush();
  for (int i = 0; i < 60; i += 3) trial.Delete(NumberedKey(i));
  trial.Flush();
  for (int i = 1; i < 60; i += 4) trial.Put(NumberedKey(i), "new");
  const KeyList forward = trial.Keys();
  for (const ScanOrder order : kBothOrders) {
    const KeyList keys = InOrder(forward, order);
    Iterator iterator = trial.store().Scan({.order = order});
    // Two steps on, one back: every place is turned at, from both sides.
    for (size_t at = 0; at + 2 < keys.size(); ++at) {
      ASSERT_EQ(Here(iterator), keys[at]);
      iterator.Next();
      ASSERT_EQ(Here(iterator), keys[at + 1]);
      iterator.Next();
      ASSERT_EQ(Here(iterator), keys[at + 2]);
      iterator.Prev();
      ASSERT_EQ(Here(iterator), keys[at + 1]);
    }
    // After each kind of seek, in both directions.
    for (size_t at = 1; at + 1 < keys.size(); ++at) {
      iterator.Seek(keys[at]);
      iterator.Prev();
      ASSERT_EQ(Here(iterator), keys[at - 1]);
      iterator.SeekForPrev(keys[at]);
      iterator.Next();
      ASSERT_EQ(Here(iterator), keys[at + 1]);
    }
  }
}

void ItSeesOneSequenceForLife(Subject& subject) {
  Trial trial(subject);
  PutLetters(trial);
  Iterator iterator = trial.store().Scan({});
  const Pairs expected = trial.Scan();
  trial.Put("a", "later");
  trial.Put("b", "later");
  trial.Delete("d");
  trial.Put("z", "later");
  trial.Flush();
  trial.Put("e", "later still");
  EXPECT_EQ(Drain(iterator), expected);
  iterator.SeekToStart();
  EXPECT_EQ(Drain(iterator), expected);
  iterator.SeekForPrev("d");
  EXPECT_EQ(Here(iterator), "d");
}

void AScanThroughASnapshotSeesItsState(Subject& subject) {
  Trial trial(subject);
  PutLetters(trial);
  const Snapshot snapshot = trial.store().TakeSnapshot();
  const Pairs expected = trial.Scan();
  for (const char* key : {"a", "b", "c", "d", "e"}) trial.Put(key, "later");
  trial.Delete("f");
  trial.Flush();
  EXPECT_EQ(trial.Scan({.snapshot = &snapshot}), expected);
  EXPECT_EQ(trial.Keys({.lower = "c", .upper = "g", .snapshot = &snapshot}), (KeyList{"d", "f"}));
}

void ItPassesManyDeletedKeys(Subject& subject) {
  Trial trial(subject);
  trial.Put("a", "first");
  trial.Put("z", "last");
  for (int i = 0; i < 3'000; ++i) trial.Put(NumberedKey(i), "v");
  trial.Flush();
  for (int i = 0; i < 3'000; ++i) trial.Delete(NumberedKey(i));
  EXPECT_EQ(trial.Keys(), (KeyList{"a", "z"}));
  EXPECT_EQ(trial.Keys({.order = ScanOrder::kReverse}), (KeyList{"z", "a"}));
  EXPECT_EQ(trial.Keys({.prefix = "k"}), KeyList{});
}

void KeyAndValueLiveUntilTheNextMove(Subject& subject) {
  Trial trial(subject);
  const std::string large(100'000, 'x');
  for (int i = 0; i < 5; ++i) trial.Put(NumberedKey(i), large);
  Iterator iterator = trial.store().Scan({});
  const std::string_view key = iterator.key();
  const std::string_view value = iterator.value();
  for (int i = 0; i < 5; ++i) trial.Put(NumberedKey(i), "small");
  trial.Flush();
  EXPECT_EQ(key, NumberedKey(0));
  EXPECT_TRUE(value == large);
}

void AfterCloseItIsReadableWhereItStandsAndEndsAtTheNextMove(Subject& subject) {
  Trial trial(subject);
  PutLetters(trial);
  std::vector<Iterator> iterators;
  for (int i = 0; i < 5; ++i) iterators.push_back(trial.store().Scan({}));
  EXPECT_TRUE(trial.store().Close().ok());
  trial.Drop();
  for (const Iterator& iterator : iterators) {
    EXPECT_EQ(Here(iterator), "b");
    EXPECT_EQ(iterator.value(), "old");
  }
  iterators[0].Next();
  iterators[1].Prev();
  iterators[2].Seek("f");
  iterators[3].SeekForPrev("f");
  iterators[4].SeekToEnd();
  for (Iterator& iterator : iterators) {
    EXPECT_FALSE(iterator.Valid());
    EXPECT_EQ(iterator.status().code(), StatusCode::kUnavailable);
    iterator.SeekToStart();
    EXPECT_FALSE(iterator.Valid());
    EXPECT_EQ(iterator.status().code(), StatusCode::kUnavailable);
  }
}

}  // namespace

ConformanceTests IteratorTests() {
  return {
      AIDB_CONFORMANCE(AScanIsPositionedOnTheFirstKeyInItsOrder),
      AIDB_CONFORMANCE(AScanVisitsEachVisibleKeyOnceWithItsNewestValue),
      AIDB_CONFORMANCE(AScanOfAnEmptyStoreEndsAtOnce),
      AIDB_CONFORMANCE(TheLowerBoundIsIncludedAndTheUpperIsNot),
      AIDB_CONFORMANCE(AnEmptyRangeIsNoErrorAndHasNoKeys),
      AIDB_CONFORMANCE(APrefixIsShorthandForBounds),
      AIDB_CONFORMANCE(APrefixOf0xFFBytesReachesTheLastKey),
      AIDB_CONFORMANCE(BoundsAreCopied),
      AIDB_CONFORMANCE(SeekFindsTheFirstKeyAtOrAboveInBothOrders),
      AIDB_CONFORMANCE(SeekForPrevFindsTheLastKeyAtOrBelowInBothOrders),
      AIDB_CONFORMANCE(SeekAndSeekForPrevAreClampedToTheBounds),
      AIDB_CONFORMANCE(PastEitherEndItIsInvalidWithoutErrorAndASeekLeadsBack),
      AIDB_CONFORMANCE(ItTurnsRoundAtAnyPoint),
      AIDB_CONFORMANCE(ItSeesOneSequenceForLife),
      AIDB_CONFORMANCE(AScanThroughASnapshotSeesItsState),
      AIDB_CONFORMANCE(ItPassesManyDeletedKeys),
      AIDB_CONFORMANCE(KeyAndValueLiveUntilTheNextMove),
      AIDB_CONFORMANCE(AfterCloseItIsReadableWhereItStandsAndEndsAtTheNextMove),
  };
}

}  // namespace aidb::kv
