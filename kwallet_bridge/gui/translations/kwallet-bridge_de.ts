<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<!-- SPDX-License-Identifier: GPL-3.0-or-later -->
<TS language="de" version="2.1" sourcelanguage="en">
    <context>
        <name>AccessDialog</name>
        <message>
            <source>Access to a Wallet</source>
            <translation>Zugriff auf eine Brieftasche</translation>
        </message>
        <message>
            <source>May this program open the wallet?</source>
            <translation>Darf dieses Programm die Brieftasche öffnen?</translation>
        </message>
        <message>
            <source>The name is the program's own word; program and process are the system's. Outside of a sandbox a program can still pose as another.</source>
            <translation>Den Namen gibt sich das Programm selbst, Programm und Prozess nennt das System. Außerhalb einer Sandbox kann sich ein Programm trotzdem als ein anderes ausgeben.</translation>
        </message>
        <message>
            <source>Wallet:</source>
            <translation>Brieftasche:</translation>
        </message>
        <message>
            <source>Calls itself:</source>
            <translation>Nennt sich:</translation>
        </message>
        <message>
            <source>(gives no name)</source>
            <translation>(nennt keinen Namen)</translation>
        </message>
        <message>
            <source>Program:</source>
            <translation>Programm:</translation>
        </message>
        <message>
            <source>unknown program</source>
            <translation>unbekanntes Programm</translation>
        </message>
        <message>
            <source>Process:</source>
            <translation>Prozess:</translation>
        </message>
        <message>
            <source>(nobody vouches for it)</source>
            <translation>(niemand bürgt dafür)</translation>
        </message>
        <message>
            <source>Flatpak:</source>
            <translation>Flatpak:</translation>
        </message>
        <message>
            <source>Allow &amp;Once</source>
            <translation>&amp;Einmal erlauben</translation>
        </message>
        <message>
            <source>Open the wallet for as long as the program uses it; ask again next time</source>
            <translation>Die Brieftasche öffnen, solange das Programm sie benutzt; nächstes Mal wieder fragen</translation>
        </message>
        <message>
            <source>&amp;Always</source>
            <translation>&amp;Immer</translation>
        </message>
        <message>
            <source>Open the wallet, and do not ask about this name and wallet again</source>
            <translation>Die Brieftasche öffnen und bei diesem Namen und dieser Brieftasche nicht mehr fragen</translation>
        </message>
        <message>
            <source>&amp;Deny</source>
            <translation>&amp;Ablehnen</translation>
        </message>
        <message>
            <source>Do not open the wallet this time</source>
            <translation>Die Brieftasche dieses Mal nicht öffnen</translation>
        </message>
        <message>
            <source>&amp;Never</source>
            <translation>&amp;Nie</translation>
        </message>
        <message>
            <source>Do not open the wallet, now or later, and do not ask again</source>
            <translation>Die Brieftasche weder jetzt noch später öffnen und nicht mehr fragen</translation>
        </message>
    </context>
    <context>
        <name>FoundPage</name>
        <message>
            <source>Your wallets</source>
            <translation>Ihre Brieftaschen</translation>
        </message>
        <message>
            <source>What is in them can move to your password store. The files stay as they are.</source>
            <translation>Ihr Inhalt kann in Ihren Passwortspeicher umziehen. Die Dateien bleiben, wie sie sind.</translation>
        </message>
        <message>
            <source>Wallets found</source>
            <translation>Gefundene Brieftaschen</translation>
        </message>
        <message>
            <source>&amp;Wallets to move:</source>
            <translation>&amp;Brieftaschen, die umziehen:</translation>
        </message>
        <message>
            <source>Looking for wallets…</source>
            <translation>Brieftaschen werden gesucht …</translation>
        </message>
        <message>
            <source>%1 (moved on %2)</source>
            <translation>%1 (umgezogen am %2)</translation>
        </message>
        <message>
            <source>Next you see what would happen; nothing is written yet.</source>
            <translation>Als Nächstes sehen Sie, was geschehen würde; geschrieben wird noch nichts.</translation>
        </message>
        <message>
            <source>There are no wallet files, so there is nothing to move.</source>
            <translation>Es gibt keine Brieftaschendateien, also auch nichts umzuziehen.</translation>
        </message>
        <message>
            <source>The search failed.</source>
            <translation>Die Suche ist fehlgeschlagen.</translation>
        </message>
    </context>
    <context>
        <name>MigrationAssistant</name>
        <message>
            <source>Move Wallets to Your Password Store</source>
            <translation>Brieftaschen in den Passwortspeicher umziehen</translation>
        </message>
        <message>
            <source>&amp;Back</source>
            <translation>&amp;Zurück</translation>
        </message>
        <message>
            <source>&amp;Next</source>
            <translation>&amp;Weiter</translation>
        </message>
        <message>
            <source>&amp;Move</source>
            <translation>&amp;Umziehen</translation>
        </message>
        <message>
            <source>&amp;Finish</source>
            <translation>Ab&amp;schließen</translation>
        </message>
        <message>
            <source>Cancel</source>
            <translation>Abbrechen</translation>
        </message>
    </context>
    <context>
        <name>Offer</name>
        <message>
            <source>Move your wallets?</source>
            <translation>Brieftaschen umziehen?</translation>
        </message>
        <message numerus="yes">
            <source>%n of KDE's wallet files can move to your password store. You see the plan first, and can take it back.</source>
            <translation>
                <numerusform>Eine von KDEs Brieftaschendateien kann in Ihren Passwortspeicher umziehen. Sie sehen zuerst den Plan und können alles rückgängig machen.</numerusform>
                <numerusform>%n von KDEs Brieftaschendateien können in Ihren Passwortspeicher umziehen. Sie sehen zuerst den Plan und können alles rückgängig machen.</numerusform>
            </translation>
        </message>
        <message>
            <source>Show…</source>
            <translation>Anzeigen …</translation>
        </message>
        <message>
            <source>No, Thanks</source>
            <translation>Nein, danke</translation>
        </message>
        <message>
            <source>Your wallet was moved</source>
            <translation>Ihre Brieftasche ist umgezogen</translation>
        </message>
        <message numerus="yes">
            <source>%n entries are in your password store now, each one checked. The wallet's file stays as it is.</source>
            <translation>
                <numerusform>Ein Eintrag ist jetzt in Ihrem Passwortspeicher und geprüft. Die Datei der Brieftasche bleibt, wie sie ist.</numerusform>
                <numerusform>%n Einträge sind jetzt in Ihrem Passwortspeicher, jeder geprüft. Die Datei der Brieftasche bleibt, wie sie ist.</numerusform>
            </translation>
        </message>
        <message>
            <source>Undo</source>
            <translation>Rückgängig</translation>
        </message>
    </context>
    <context>
        <name>PasswordField</name>
        <message>
            <source>Show the password</source>
            <translation>Das Passwort anzeigen</translation>
        </message>
    </context>
    <context>
        <name>PasswordWindow</name>
        <message>
            <source>Password of a Wallet</source>
            <translation>Passwort einer Brieftasche</translation>
        </message>
        <message>
            <source>Password</source>
            <translation>Passwort</translation>
        </message>
        <message>
            <source>Password, once more</source>
            <translation>Passwort, noch einmal</translation>
        </message>
        <message>
            <source>Caps Lock is on.</source>
            <translation>Die Feststelltaste ist eingerastet.</translation>
        </message>
        <message>
            <source>This password is too short.</source>
            <translation>Dieses Passwort ist zu kurz.</translation>
        </message>
        <message>
            <source>This password did not open it. Please try again.</source>
            <translation>Dieses Passwort passt nicht. Bitte versuchen Sie es noch einmal.</translation>
        </message>
        <message numerus="yes">
            <source>A password needs %n letters or more.</source>
            <translation>
                <numerusform>Ein Passwort braucht mindestens ein Zeichen.</numerusform>
                <numerusform>Ein Passwort braucht mindestens %n Zeichen.</numerusform>
            </translation>
        </message>
        <message>
            <source>The two passwords differ.</source>
            <translation>Die beiden Passwörter sind verschieden.</translation>
        </message>
        <message>
            <source>weak</source>
            <translation>schwach</translation>
        </message>
        <message>
            <source>fair</source>
            <translation>mittel</translation>
        </message>
        <message>
            <source>strong</source>
            <translation>stark</translation>
        </message>
        <message>
            <source>Unlock the wallet</source>
            <translation>Brieftasche entsperren</translation>
        </message>
        <message>
            <source>It is kept in an encrypted file. Its password opens it until you log out.</source>
            <translation>Sie liegt in einer verschlüsselten Datei. Das Passwort öffnet sie, bis Sie sich abmelden.</translation>
        </message>
        <message>
            <source>Choose a password for the new wallet</source>
            <translation>Passwort für die neue Brieftasche wählen</translation>
        </message>
        <message>
            <source>Your programs' passwords will be kept in an encrypted file. Without this password nobody can open it again, not even you.</source>
            <translation>Die Passwörter Ihrer Programme werden in einer verschlüsselten Datei aufbewahrt. Ohne dieses Passwort kann sie niemand mehr öffnen, auch Sie nicht.</translation>
        </message>
        <message>
            <source>Open your KDE wallet once more</source>
            <translation>KDE-Brieftasche noch einmal öffnen</translation>
        </message>
        <message>
            <source>What it holds is moved to your password store and checked. The wallet's file stays as it is.</source>
            <translation>Ihr Inhalt zieht in Ihren Passwortspeicher um und wird geprüft. Die Datei der Brieftasche bleibt, wie sie ist.</translation>
        </message>
        <message>
            <source>Wallet:</source>
            <translation>Brieftasche:</translation>
        </message>
        <message>
            <source>Besides:</source>
            <translation>Außerdem:</translation>
        </message>
        <message numerus="yes">
            <source>%n more caller(s)</source>
            <translation>
                <numerusform>%n weiterer Aufrufer</numerusform>
                <numerusform>%n weitere Aufrufer</numerusform>
            </translation>
        </message>
        <message>
            <source>&amp;Password:</source>
            <translation>&amp;Passwort:</translation>
        </message>
        <message>
            <source>Once &amp;more:</source>
            <translation>&amp;Noch einmal:</translation>
        </message>
        <message>
            <source>Strength of the password</source>
            <translation>Stärke des Passworts</translation>
        </message>
        <message>
            <source>Strength:</source>
            <translation>Stärke:</translation>
        </message>
        <message>
            <source>Wanted by:</source>
            <translation>Gebraucht von:</translation>
        </message>
        <message>
            <source>unknown program</source>
            <translation>unbekanntes Programm</translation>
        </message>
        <message>
            <source>(nobody vouches for it)</source>
            <translation>(niemand bürgt dafür)</translation>
        </message>
        <message>
            <source>Flatpak:</source>
            <translation>Flatpak:</translation>
        </message>
        <message>
            <source>For application:</source>
            <translation>Für die Anwendung:</translation>
        </message>
        <message>
            <source>Calls itself:</source>
            <translation>Nennt sich:</translation>
        </message>
        <message>
            <source>(gives no name)</source>
            <translation>(nennt keinen Namen)</translation>
        </message>
        <message>
            <source>&amp;Unlock</source>
            <translation>&amp;Entsperren</translation>
        </message>
        <message>
            <source>&amp;Create</source>
            <translation>&amp;Anlegen</translation>
        </message>
        <message>
            <source>&amp;Open and Move</source>
            <translation>Öffnen und &amp;umziehen</translation>
        </message>
        <message>
            <source>&amp;Start Without It</source>
            <translation>&amp;Ohne sie beginnen</translation>
        </message>
        <message>
            <source>Programs find the wallet without what the file holds, and may begin anew</source>
            <translation>Programme finden die Brieftasche ohne den Inhalt der Datei vor und fangen womöglich neu an</translation>
        </message>
        <message>
            <source>&amp;Later</source>
            <translation>&amp;Später</translation>
        </message>
        <message>
            <source>The program is told that the wallet cannot be opened now</source>
            <translation>Das Programm erfährt, dass sich die Brieftasche jetzt nicht öffnen lässt</translation>
        </message>
    </context>
    <context>
        <name>PlanPage</name>
        <message>
            <source>The plan</source>
            <translation>Der Plan</translation>
        </message>
        <message>
            <source>This is what would happen. Nothing has been written yet.</source>
            <translation>Das würde geschehen. Noch ist nichts geschrieben.</translation>
        </message>
        <message>
            <source>What would happen to each entry</source>
            <translation>Was mit jedem Eintrag geschehen würde</translation>
        </message>
        <message>
            <source>&amp;Unlock</source>
            <translation>&amp;Entsperren</translation>
        </message>
        <message>
            <source>&amp;Leave This Wallet Out</source>
            <translation>Diese Brieftasche aus&amp;lassen</translation>
        </message>
        <message>
            <source>Wallet:</source>
            <translation>Brieftasche:</translation>
        </message>
        <message>
            <source>&amp;Password:</source>
            <translation>&amp;Passwort:</translation>
        </message>
        <message>
            <source>Password of the wallet</source>
            <translation>Passwort der Brieftasche</translation>
        </message>
        <message>
            <source>Keep the password store's value</source>
            <translation>Den Wert des Passwortspeichers behalten</translation>
        </message>
        <message>
            <source>Take the wallet's value</source>
            <translation>Den Wert der Brieftasche nehmen</translation>
        </message>
        <message>
            <source>Keep both, under two names</source>
            <translation>Beide behalten, unter zwei Namen</translation>
        </message>
        <message>
            <source>Where both have a value</source>
            <translation>Wo beide einen Wert haben</translation>
        </message>
        <message>
            <source>&amp;Where both have a value:</source>
            <translation>&amp;Wo beide einen Wert haben:</translation>
        </message>
        <message>
            <source>Reading the wallets…</source>
            <translation>Die Brieftaschen werden gelesen …</translation>
        </message>
        <message>
            <source>That did not open it. Please try again.</source>
            <translation>Damit ließ sie sich nicht öffnen. Bitte versuchen Sie es noch einmal.</translation>
        </message>
        <message>
            <source>This wallet has a password of its own.</source>
            <translation>Diese Brieftasche hat ein eigenes Passwort.</translation>
        </message>
        <message numerus="yes">
            <source>%n entries would be written.</source>
            <translation>
                <numerusform>%n Eintrag würde geschrieben.</numerusform>
                <numerusform>%n Einträge würden geschrieben.</numerusform>
            </translation>
        </message>
        <message>
            <source>There is nothing to write: everything is there already.</source>
            <translation>Es gibt nichts zu schreiben: Alles ist schon da.</translation>
        </message>
        <message>
            <source>No wallet could be read.</source>
            <translation>Keine Brieftasche konnte gelesen werden.</translation>
        </message>
        <message>
            <source>No plan could be made (exit code %1).</source>
            <translation>Es konnte kein Plan erstellt werden (Rückgabewert %1).</translation>
        </message>
    </context>
    <context>
        <name>ResultPage</name>
        <message>
            <source>Result</source>
            <translation>Ergebnis</translation>
        </message>
        <message>
            <source>Your wallet files were not changed.</source>
            <translation>Ihre Brieftaschendateien wurden nicht verändert.</translation>
        </message>
        <message>
            <source>What became of each entry</source>
            <translation>Was aus jedem Eintrag geworden ist</translation>
        </message>
        <message>
            <source>&amp;Take Back…</source>
            <translation>&amp;Rückgängig machen …</translation>
        </message>
        <message>
            <source>Remove again what was written, and put back what was replaced</source>
            <translation>Entfernen, was geschrieben wurde, und wiederherstellen, was ersetzt wurde</translation>
        </message>
        <message>
            <source>The work ended before its result.</source>
            <translation>Die Arbeit endete ohne Ergebnis.</translation>
        </message>
        <message numerus="yes">
            <source>%n entries were moved and checked.</source>
            <translation>
                <numerusform>%n Eintrag ist umgezogen und geprüft.</numerusform>
                <numerusform>%n Einträge sind umgezogen und geprüft.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n entries were there already.</source>
            <translation>
                <numerusform>%n Eintrag war schon da.</numerusform>
                <numerusform>%n Einträge waren schon da.</numerusform>
            </translation>
        </message>
        <message>
            <source>Not everything was moved; the list tells why.</source>
            <translation>Nicht alles ist umgezogen; die Liste sagt, warum.</translation>
        </message>
        <message>
            <source>&amp;Take Back Now</source>
            <translation>Jetzt &amp;rückgängig machen</translation>
        </message>
        <message>
            <source>Taking back…</source>
            <translation>Wird rückgängig gemacht …</translation>
        </message>
        <message>
            <source>Not everything was taken back: another password store has it.</source>
            <translation>Nicht alles wurde zurückgenommen: Es liegt in einem anderen Passwortspeicher.</translation>
        </message>
        <message>
            <source>Everything was taken back that was not changed meanwhile.</source>
            <translation>Alles wurde rückgängig gemacht, was nicht inzwischen geändert wurde.</translation>
        </message>
        <message>
            <source>Taking back failed; nothing further was changed.</source>
            <translation>Das Rückgängigmachen ist fehlgeschlagen; weiter wurde nichts geändert.</translation>
        </message>
    </context>
    <context>
        <name>StatusWindow</name>
        <message>
            <source>Wallets</source>
            <translation>Brieftaschen</translation>
        </message>
        <message>
            <source>Looking…</source>
            <translation>Wird gesucht …</translation>
        </message>
        <message>
            <source>Wallet service:</source>
            <translation>Brieftaschendienst:</translation>
        </message>
        <message>
            <source>Password store:</source>
            <translation>Passwortspeicher:</translation>
        </message>
        <message>
            <source>Wallet</source>
            <translation>Brieftasche</translation>
        </message>
        <message>
            <source>State</source>
            <translation>Zustand</translation>
        </message>
        <message>
            <source>Time</source>
            <translation>Zeit</translation>
        </message>
        <message>
            <source>Program</source>
            <translation>Programm</translation>
        </message>
        <message>
            <source>&amp;Wallets and the applications that use them:</source>
            <translation>&amp;Brieftaschen und die Anwendungen, die sie benutzen:</translation>
        </message>
        <message>
            <source>&amp;Refused lately:</source>
            <translation>&amp;Kürzlich abgelehnt:</translation>
        </message>
        <message>
            <source>&amp;Move Wallets…</source>
            <translation>Brieftaschen &amp;umziehen …</translation>
        </message>
        <message>
            <source>Move what is in KDE's wallet files to your password store</source>
            <translation>Den Inhalt von KDEs Brieftaschendateien in Ihren Passwortspeicher umziehen</translation>
        </message>
        <message>
            <source>&amp;Close</source>
            <translation>Schl&amp;ießen</translation>
        </message>
        <message>
            <source>The session bus cannot be reached</source>
            <translation>Der Sitzungsbus ist nicht erreichbar</translation>
        </message>
        <message>
            <source>Nobody answers</source>
            <translation>Niemand antwortet</translation>
        </message>
        <message>
            <source>%1, switched off</source>
            <translation>%1, ausgeschaltet</translation>
        </message>
        <message>
            <source>open</source>
            <translation>offen</translation>
        </message>
        <message>
            <source>closed</source>
            <translation>geschlossen</translation>
        </message>
        <message>
            <source>(gives no name)</source>
            <translation>(nennt keinen Namen)</translation>
        </message>
        <message>
            <source>connected</source>
            <translation>verbunden</translation>
        </message>
        <message>
            <source>There is no wallet yet</source>
            <translation>Es gibt noch keine Brieftasche</translation>
        </message>
        <message>
            <source>unknown</source>
            <translation>unbekannt</translation>
        </message>
        <message>
            <source>“%1”, process %2 of %3</source>
            <translation>„%1“, Prozess %2 von %3</translation>
        </message>
        <message>
            <source>Nobody</source>
            <translation>Niemand</translation>
        </message>
    </context>
    <context>
        <name>StepList</name>
        <message>
            <source>Entry</source>
            <translation>Eintrag</translation>
        </message>
        <message>
            <source>What happens</source>
            <translation>Was geschieht</translation>
        </message>
        <message>
            <source>Why</source>
            <translation>Warum</translation>
        </message>
        <message>
            <source>cannot be read</source>
            <translation>nicht lesbar</translation>
        </message>
        <message>
            <source>%1, checked</source>
            <translation>%1, geprüft</translation>
        </message>
    </context>
    <context>
        <name>Words</name>
        <message>
            <source>will be created</source>
            <translation>wird angelegt</translation>
        </message>
        <message>
            <source>is there already</source>
            <translation>ist schon da</translation>
        </message>
        <message>
            <source>another value is there</source>
            <translation>ein anderer Wert ist da</translation>
        </message>
        <message>
            <source>will be replaced</source>
            <translation>wird ersetzt</translation>
        </message>
        <message>
            <source>stays as it is</source>
            <translation>bleibt, wie es ist</translation>
        </message>
        <message>
            <source>cannot be moved</source>
            <translation>kann nicht umziehen</translation>
        </message>
        <message>
            <source>created</source>
            <translation>angelegt</translation>
        </message>
        <message>
            <source>replaced</source>
            <translation>ersetzt</translation>
        </message>
        <message>
            <source>left out</source>
            <translation>ausgelassen</translation>
        </message>
        <message>
            <source>failed</source>
            <translation>fehlgeschlagen</translation>
        </message>
        <message>
            <source>not reached</source>
            <translation>nicht erreicht</translation>
        </message>
        <message>
            <source>removed again</source>
            <translation>wieder entfernt</translation>
        </message>
        <message>
            <source>put back</source>
            <translation>wiederhergestellt</translation>
        </message>
        <message>
            <source>changed since, stays</source>
            <translation>seither geändert, bleibt</translation>
        </message>
        <message>
            <source>was gone already</source>
            <translation>war schon weg</translation>
        </message>
        <message>
            <source>KWallet knows no such type of entry</source>
            <translation>KWallet kennt keine solche Art von Eintrag</translation>
        </message>
        <message>
            <source>no password store can hold this name</source>
            <translation>kein Passwortspeicher kann diesen Namen aufnehmen</translation>
        </message>
        <message>
            <source>no password store can hold this value</source>
            <translation>kein Passwortspeicher kann diesen Wert aufnehmen</translation>
        </message>
        <message>
            <source>another file has an entry of this name</source>
            <translation>eine andere Datei hat einen Eintrag dieses Namens</translation>
        </message>
        <message>
            <source>this file has an entry of this name before</source>
            <translation>diese Datei hat vorher schon einen Eintrag dieses Namens</translation>
        </message>
        <message>
            <source>the file has it so that it cannot be read</source>
            <translation>in der Datei steht es so, dass es nicht lesbar ist</translation>
        </message>
        <message>
            <source>a keyring without a password would lose this value</source>
            <translation>ein Schlüsselbund ohne Passwort würde diesen Wert verlieren</translation>
        </message>
        <message>
            <source>the password store has another value</source>
            <translation>der Passwortspeicher hat einen anderen Wert</translation>
        </message>
        <message>
            <source>kept beside it, under another name</source>
            <translation>daneben aufbewahrt, unter anderem Namen</translation>
        </message>
        <message>
            <source>an interrupted write is done again</source>
            <translation>ein unterbrochenes Schreiben wird wiederholt</translation>
        </message>
        <message>
            <source>the password store would change this name</source>
            <translation>der Passwortspeicher würde diesen Namen ändern</translation>
        </message>
        <message>
            <source>the password store would change this value</source>
            <translation>der Passwortspeicher würde diesen Wert ändern</translation>
        </message>
        <message>
            <source>the password store changed it</source>
            <translation>der Passwortspeicher hat es verändert</translation>
        </message>
        <message>
            <source>the password store refused it</source>
            <translation>der Passwortspeicher hat es abgelehnt</translation>
        </message>
        <message>
            <source>another program changed it meanwhile</source>
            <translation>ein anderes Programm hat es inzwischen geändert</translation>
        </message>
        <message>
            <source>what would be replaced cannot be kept</source>
            <translation>was ersetzt würde, kann nicht aufbewahrt werden</translation>
        </message>
        <message>
            <source>not found when read again</source>
            <translation>beim Zurücklesen nicht gefunden</translation>
        </message>
        <message>
            <source>different when read again</source>
            <translation>beim Zurücklesen verschieden</translation>
        </message>
        <message>
            <source>There is no password store that could take them.</source>
            <translation>Es gibt keinen Passwortspeicher, der sie aufnehmen könnte.</translation>
        </message>
        <message>
            <source>The password store stayed locked.</source>
            <translation>Der Passwortspeicher blieb gesperrt.</translation>
        </message>
        <message>
            <source>You cancelled.</source>
            <translation>Sie haben abgebrochen.</translation>
        </message>
        <message>
            <source>No password opened it, or the file is damaged.</source>
            <translation>Kein Passwort hat sie geöffnet, oder die Datei ist beschädigt.</translation>
        </message>
        <message>
            <source>Another migration is at work, or its journal is unreadable.</source>
            <translation>Ein anderer Umzug läuft, oder sein Journal ist nicht lesbar.</translation>
        </message>
        <message>
            <source>The password store does not answer.</source>
            <translation>Der Passwortspeicher antwortet nicht.</translation>
        </message>
        <message>
            <source>%1 (an empty folder)</source>
            <translation>%1 (ein leerer Ordner)</translation>
        </message>
    </context>
    <context>
        <name>WorkPage</name>
        <message>
            <source>Moving</source>
            <translation>Umzug</translation>
        </message>
        <message>
            <source>Each entry is written, then read back and compared. If this is interrupted, start the assistant again: it goes on where it was.</source>
            <translation>Jeder Eintrag wird geschrieben, dann zurückgelesen und verglichen. Wird dies unterbrochen, starten Sie den Assistenten noch einmal: Er macht dort weiter, wo er war.</translation>
        </message>
        <message>
            <source>Progress</source>
            <translation>Fortschritt</translation>
        </message>
        <message>
            <source>Preparing…</source>
            <translation>Wird vorbereitet …</translation>
        </message>
        <message>
            <source>Writing the wallet “%1”</source>
            <translation>Die Brieftasche „%1“ wird geschrieben</translation>
        </message>
        <message>
            <source>Checking the wallet “%1”</source>
            <translation>Die Brieftasche „%1“ wird geprüft</translation>
        </message>
    </context>
</TS>
