import { defineCommand, defineDecider, defineEvent, fact, ofQuery, ofStream, open, refuse } from 'thereupon';
import { z } from 'zod';

const seat = z.object({ course: z.string(), student: z.string() });
const CourseOffered = defineEvent({
  type: 'school.course.offered',
  stream: (data) => `course-${data.course}`,
  schema: z.object({ course: z.string(), seats: z.number() }),
});
const StudentEnrolled = defineEvent({
  type: 'school.student.enrolled',
  stream: (data) => `course-${data.course}`,
  tags: (data) => [`student:${data.student}`], // found by the student, too
  schema: seat,
});
const StudentTurnedAway = defineEvent({
  type: 'school.student.turned-away',
  stream: (data) => `course-${data.course}`,
  schema: seat,
});

const OfferCourse = defineCommand({
  name: 'school.offer-course',
  stream: (data) => `course-${data.course}`,
  schema: z.object({ course: z.string(), seats: z.number().min(1) }),
});
const EnrolStudent = defineCommand({ name: 'school.enrol-student', schema: seat });

// One stream: what a course has come to, and what may be done with it.
const course = defineDecider({
  name: 'course',
  initial: () => ({ seats: 0, students: [] as string[] }),
  evolve: [
    [CourseOffered, (state, event) => ({ ...state, seats: event.data.seats })],
    [StudentEnrolled, (state, event) => ({ ...state, students: [...state.students, event.data.student] })],
  ],
  decide: [
    [
      OfferCourse,
      (state, command) => (state.seats > 0 ? refuse('offered', 'it is on offer') : fact(CourseOffered, command.data)),
    ],
  ],
  snapshot: { every: 100 },
});

// Across: a course and a student at once, who may be in three courses.
const enrolment = defineDecider({
  name: 'enrolment',
  across: {
    course: ofStream(course, (data: { course: string }) => `course-${data.course}`),
    courses: ofQuery({
      initial: () => 0,
      evolve: [[StudentEnrolled, (count) => count + 1]],
      tags: (data: { student: string }) => [`student:${data.student}`],
    }),
  },
  publishes: [StudentEnrolled, StudentTurnedAway], // all that decide gives
  decide: [
    [
      EnrolStudent,
      (state, command) => {
        const { seats, students } = state.course;
        if (students.includes(command.data.student)) return undefined; // nothing to record
        if (students.length >= seats)
          return refuse('full', `all ${seats} seats are taken`, { record: fact(StudentTurnedAway, command.data) });
        if (state.courses >= 3) return refuse('too-many', 'three courses are enough');
        return fact(StudentEnrolled, command.data);
      },
    ],
  ],
});

const system = await open({ store: 'school.db', deciders: [course, enrolment] });
await system.execute(OfferCourse, { course: 'latin', seats: 1 });
const outcomes = await Promise.all(
  ['ada', 'bob'].map((student) =>
    system.execute(EnrolStudent, { course: 'latin', student }, { id: `latin-${student}` }),
  ),
);
for (const outcome of outcomes) console.log(outcome.accepted ? 'enrolled' : outcome.reason); // enrolled, full
const { state } = await system.deciders.state(course, 'course-latin', { version: 1 });
console.log(state.students.length); // 0
await system.close();
