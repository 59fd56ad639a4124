/* SPDX-License-Identifier: MIT
 * How the module of faulty.c is told to misbehave, by programs that have loaded it. */

/* What happens at the chosen call. */
enum faulty {
    FAULTY_NOTHING,
    FAULTY_ANSWER,        /* the call is not made; the argument is answered */
    FAULTY_LOSE_SESSIONS, /* all sessions are closed, then the call is made */
    FAULTY_LOSE_LOGIN,    /* everybody is logged out, then the call is made */
    FAULTY_FINALIZE,      /* the module is finalised, then the call is made */
    FAULTY_AWAY,          /* the device with all sessions is gone for this call and as many more as the argument says */
    FAULTY_HANG,          /* the call is not made before faulty_release */
};

/* Added to one of them: not once, but at all calls from then on. */
enum { FAULTY_FROM_THEN_ON = 0x100 };

/* At the call with this number from now on, which counts from 1; what was chosen before is forgotten. */
void faulty_arm(unsigned long at, int how, unsigned long argument);

/* How many calls were made since faulty_arm, in all threads. */
unsigned long faulty_calls(void);

/* The function that misbehaved last since faulty_arm; NULL where none has. */
const char *faulty_struck(void);

/* How many calls hang now. */
unsigned long faulty_hanging(void);

/* Nothing is chosen any more, and the calls that hang are made; ends when they are. */
void faulty_release(void);
