<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<!-- SPDX-License-Identifier: GPL-3.0-or-later -->
<TS language="en" version="2.1" sourcelanguage="en">
    <context>
        <name>Offer</name>
        <message numerus="yes">
            <source>%n of KDE's wallet files can move to your password store. You see the plan first, and can take it back.</source>
            <translation>
                <numerusform>One of KDE's wallet files can move to your password store. You see the plan first, and can take it back.</numerusform>
                <numerusform>%n of KDE's wallet files can move to your password store. You see the plan first, and can take it back.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n entries are in your password store now, each one checked. The wallet's file stays as it is.</source>
            <translation>
                <numerusform>%n entry is in your password store now, and checked. The wallet's file stays as it is.</numerusform>
                <numerusform>%n entries are in your password store now, each one checked. The wallet's file stays as it is.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>PasswordWindow</name>
        <message numerus="yes">
            <source>A password needs %n letters or more.</source>
            <translation>
                <numerusform>A password needs %n letter or more.</numerusform>
                <numerusform>A password needs %n letters or more.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n more caller(s)</source>
            <translation>
                <numerusform>%n more caller</numerusform>
                <numerusform>%n more callers</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>PlanPage</name>
        <message numerus="yes">
            <source>%n entries would be written.</source>
            <translation>
                <numerusform>%n entry would be written.</numerusform>
                <numerusform>%n entries would be written.</numerusform>
            </translation>
        </message>
    </context>
    <context>
        <name>ResultPage</name>
        <message numerus="yes">
            <source>%n entries were moved and checked.</source>
            <translation>
                <numerusform>%n entry was moved and checked.</numerusform>
                <numerusform>%n entries were moved and checked.</numerusform>
            </translation>
        </message>
        <message numerus="yes">
            <source>%n entries were there already.</source>
            <translation>
                <numerusform>%n entry was there already.</numerusform>
                <numerusform>%n entries were there already.</numerusform>
            </translation>
        </message>
    </context>
</TS>
